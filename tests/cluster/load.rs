//! A load of many users in many conversations, and the question that is asked after every fault: does every
//! member hold exactly what MongoDB holds, is every acknowledgement true, is each client_id there once?

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use starling_client::{Client, Event};
use starling_protocol::{ClientId, ConversationId, Entry, Send, Seq};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::stage::{Stage, eventually, user};

const MEMBERS: usize = 3;

type Log = Arc<Mutex<Vec<Arc<Entry>>>>;

struct Member {
    name: String,
    client: Arc<Client>,
    log: Log,
}

struct Group {
    id: ConversationId,
    members: Vec<Member>,
}

/// Groups of three, each member with a client at the front that records what it is given.
pub(crate) struct Load {
    groups: Vec<Group>,
}

/// What was acknowledged: client id → seq, by conversation.
type Acknowledged = HashMap<ConversationId, HashMap<String, Seq>>;

impl Load {
    pub(crate) async fn prepare(stage: &Stage, groups: usize) -> Self {
        let groups = join_all((0..groups).map(|number| group(stage, number))).await;
        Self { groups }
    }

    /// The conversations that it goes on in.
    pub(crate) fn conversations(&self) -> impl Iterator<Item = &ConversationId> {
        self.groups.iter().map(|group| &group.id)
    }

    /// Sends `rate` messages a second, of all users in turn, for `time`, while `meanwhile` goes on; then waits
    /// for all answers and checks.
    pub(crate) async fn run(
        &self,
        stage: &Stage,
        rate: u32,
        time: Duration,
        meanwhile: impl Future<Output = ()>,
    ) {
        let begin = Instant::now();
        let (sent, ()) = tokio::join!(self.send(rate, time), meanwhile);
        let count = sent.len();
        let answers = join_all(sent).await;
        let mut acknowledged = Acknowledged::new();
        for answer in answers {
            let (conversation, client_id, seq) = answer.unwrap();
            acknowledged
                .entry(conversation)
                .or_default()
                .insert(client_id, seq);
        }
        println!(
            "{count} sends acknowledged {:.1?} after the load began",
            begin.elapsed()
        );
        for group in &self.groups {
            group.check(stage, &acknowledged[&group.id]).await;
        }
        let stats = self
            .groups
            .iter()
            .flat_map(|group| &group.members)
            .map(|member| member.client.stats());
        let sum = stats.fold([0; 4], |[connections, resends, doubles, gaps], stats| {
            [
                connections + stats.connections,
                resends + stats.resends,
                doubles + stats.duplicates,
                gaps + stats.gaps,
            ]
        });
        println!("connections, resends, doubles dropped, gaps filled by clients: {sum:?}");
    }

    /// Hands sends over at the rate; their answers come later.
    async fn send(&self, rate: u32, time: Duration) -> Vec<JoinHandle<(ConversationId, String, Seq)>> {
        let mut ticks = interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let total = (f64::from(rate) * time.as_secs_f64()) as usize;
        let mut answers = Vec::with_capacity(total);
        for number in 0..total {
            ticks.tick().await;
            let group = &self.groups[number % self.groups.len()];
            let member = &group.members[number / self.groups.len() % MEMBERS];
            let client_id = format!("m{number}");
            let send = Send::text(
                group.id.clone(),
                ClientId::new(&client_id).unwrap(),
                format!("message {number} of {}", member.name),
            );
            let (client, conversation) = (member.client.clone(), group.id.clone());
            answers.push(tokio::spawn(async move {
                let sent = client.send_with(send).await.unwrap();
                (conversation, client_id, sent.seq)
            }));
        }
        answers
    }
}

async fn group(stage: &Stage, number: usize) -> Group {
    let names: Vec<_> = (0..MEMBERS)
        .map(|member| format!("user-{number}-{member}"))
        .collect();
    let members = join_all(names.into_iter().map(async |name| {
        let client = Arc::new(stage.client(&name).await);
        let log = Log::default();
        tokio::spawn(record(client.clone(), log.clone()));
        Member { name, client, log }
    }))
    .await;
    let others = members[1..].iter().map(|member| user(&member.name)).collect();
    let id = members[0].client.create_group(others).await.unwrap().id;
    Group { id, members }
}

async fn record(client: Arc<Client>, log: Log) {
    while let Ok(event) = client.next_event().await {
        if let Event::Entry(entry) = event {
            log.lock().push(entry);
        }
    }
}

impl Group {
    async fn check(&self, stage: &Stage, acknowledged: &HashMap<String, Seq>) {
        let stored = stage.stored(&self.id).await;
        let mut keys = HashSet::new();
        for (index, document) in stored.iter().enumerate() {
            assert_eq!(
                document.get_i64("seq").unwrap(),
                index as i64 + 1,
                "I6: contiguous from 1"
            );
            let key = (
                document.get_str("sender").unwrap(),
                document.get_str("client_id").unwrap(),
            );
            assert!(keys.insert(key), "I2: {key:?} is stored twice");
        }
        for (client_id, seq) in acknowledged {
            let document = &stored[*seq as usize - 1];
            assert_eq!(
                document.get_str("client_id").unwrap(),
                client_id,
                "I1: acknowledged at {seq}"
            );
        }
        assert_eq!(
            stored.len(),
            acknowledged.len() + 1,
            "only what was sent is stored"
        );
        for member in &self.members {
            let name = &member.name;
            eventually(
                &format!("{name} holds all of {}", self.id),
                Duration::from_secs(30),
                async || (member.log.lock().len() >= stored.len()).then_some(()),
            )
            .await;
            let log = member.log.lock();
            assert_eq!(log.len(), stored.len(), "I4: {name} was given something twice");
            for (entry, document) in log.iter().zip(&stored) {
                assert_eq!(entry.seq as i64, document.get_i64("seq").unwrap(), "I4 at {name}");
                let client_id = entry.client_id.as_ref().unwrap().as_str();
                assert_eq!(client_id, document.get_str("client_id").unwrap(), "I7 at {name}");
            }
        }
    }
}
