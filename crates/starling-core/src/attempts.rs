//! Further attempts to hand a message to members who are connected somewhere and have not confirmed it.
//!
//! Pub/sub is at most once and routes can be lost. Comparing heads finds what is missing after seconds, but only
//! where a node knows that it follows the conversation. So 1, 5 and 15 seconds after a message is stored its node
//! looks which members have not marked it delivered, and tells the nodes where those are connected how far the log
//! reaches: each compares, and fills up. Whatever is handed over goes through the stream, so nobody gets it twice (I4).
//! Then it waits in the offline queue. Of several nodes that store, the one that stored last looks first: its look reaches
//! as far as theirs. There is no work for conversations with very many members, and for any other
//! one look each second at most, however much is said in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use starling_protocol::limits::MAX_RECEIPTS_MEMBERS;
use starling_protocol::{ConversationId, Seq, UserId};
use tokio::time::{Instant, sleep};

use crate::chance::HashMap;
use crate::connections;
use crate::node_message::{NodeMessage, Undelivered};
use crate::ports::{Incarnation, MemberRecord, Unavailable};
use crate::rosters;
use crate::session;
use crate::shared::Shared;

/// Between one attempt and the next; the first is counted from the message.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
];
/// For metrics.
const NAMES: [&str; PAUSES.len()] = ["1", "2", "3"];
/// What is due is looked at together, this often.
const ROUND: Duration = Duration::from_millis(250);
/// Conversations of one message to another node.
const CHUNK: usize = 500;

/// What this node has stored lately and not seen confirmed by all.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<ConversationId, Watch>>);

/// One conversation.
#[derive(Default)]
struct Watch {
    /// Stored since the first attempt was planned: it gets one of its own then.
    newest: Seq,
    /// The attempts that are planned, one of each number at most.
    planned: [Option<Planned>; PAUSES.len()],
}

#[derive(Clone, Copy)]
struct Planned {
    /// Everything up to here should be with all members.
    up_to: Seq,
    due: Instant,
}

/// An attempt that is due.
struct Attempt {
    conversation: ConversationId,
    /// 0 for the first.
    number: usize,
    up_to: Seq,
    /// What this node has stored by now.
    newest: Seq,
}

impl Attempts {
    /// The log reaches `head` by what this node has stored.
    pub(crate) fn stored(&self, conversation: &ConversationId, head: Seq, members: usize) {
        if members > MAX_RECEIPTS_MEMBERS {
            return;
        }
        let mut all = self.0.lock();
        let watch = match all.get_mut(conversation) {
            Some(watch) => watch,
            None => all.entry(conversation.clone()).or_default(),
        };
        watch.newest = head;
        watch.plan(0, head);
    }

    fn take_due(&self) -> Vec<Attempt> {
        let now = Instant::now();
        let mut due = Vec::new();
        self.0.lock().retain(|conversation, watch| {
            for number in 0..PAUSES.len() {
                let Some(planned) = watch.planned[number].take_if(|planned| planned.due <= now) else {
                    continue;
                };
                if number == 0 && watch.newest > planned.up_to {
                    watch.plan(0, watch.newest);
                }
                due.push(Attempt {
                    conversation: conversation.clone(),
                    number,
                    up_to: planned.up_to,
                    newest: watch.newest,
                });
            }
            watch.planned.iter().any(Option::is_some)
        });
        due
    }

    fn plan(&self, conversation: &ConversationId, number: usize, up_to: Seq) {
        let mut all = self.0.lock();
        let watch = all.entry(conversation.clone()).or_default();
        watch.newest = watch.newest.max(up_to);
        watch.plan(number, up_to);
    }
}

impl Watch {
    /// Plans an attempt, unless one of the same number is planned already: then what came later is left to the next.
    fn plan(&mut self, number: usize, up_to: Seq) {
        match &mut self.planned[number] {
            // The pause of a later attempt is long: what is confirmed by then costs it nothing.
            Some(planned) if number > 0 => planned.up_to = up_to.max(planned.up_to),
            Some(_) => {}
            planned => {
                let due = Instant::now() + PAUSES[number];
                *planned = Some(Planned { up_to, due });
            }
        }
    }
}

/// Makes the attempts that are due, until the task is dropped.
pub(crate) async fn make(shared: Arc<Shared>) {
    loop {
        sleep(ROUND).await;
        let mut due = shared.attempts.take_due();
        // Where another node has stored since, it looks as far as that by itself: of several that write, one looks.
        due.retain(|attempt| {
            let mark = shared.delivery.mark(&attempt.conversation);
            attempt.number > 0 || mark.is_none_or(|mark| mark.seq <= attempt.newest)
        });
        if due.is_empty() {
            continue;
        }
        if let Err(unavailable) = make_all(&shared, &due).await {
            tracing::debug!(attempts = due.len(), %unavailable, "no attempts");
            due.iter().for_each(|attempt| plan_next(&shared, attempt));
        }
    }
}

/// All in one look at the members, and one at where those are connected who have not confirmed.
async fn make_all(shared: &Arc<Shared>, due: &[Attempt]) -> Result<(), Unavailable> {
    let conversations = due.iter().map(|attempt| attempt.conversation.clone()).collect();
    let rosters = rosters::read(&*shared.ports.directory, conversations).await?;
    let lagging: Vec<Vec<&MemberRecord>> = due
        .iter()
        .map(|attempt| {
            let members = rosters.of.get(&attempt.conversation).into_iter().flatten();
            let lags = |member: &&MemberRecord| member.receipt().delivered < attempt.up_to;
            members.filter(lags).collect()
        })
        .collect();
    let users = lagging.iter().flatten().map(|member| member.user.clone());
    let connected = connections::of(shared, users.collect()).await?;
    let mut by_node: BTreeMap<&Incarnation, Vec<Undelivered>> = BTreeMap::new();
    for (attempt, mut lagging) in due.iter().zip(lagging) {
        lagging.retain(|member| connected.contains_key(&member.user));
        if lagging.is_empty() {
            continue;
        }
        metrics::counter!("starling_delivery_attempts_total", "attempt" => NAMES[attempt.number])
            .increment(lagging.len() as u64);
        for member in &lagging {
            for node in connected.get(&member.user).into_iter().flatten() {
                let told = by_node.entry(node).or_default();
                match told.last_mut() {
                    Some(last) if last.conversation == attempt.conversation && last.head == attempt.up_to => {
                        last.users.push(member.user.clone());
                    }
                    _ => told.push(Undelivered {
                        conversation: attempt.conversation.clone(),
                        head: attempt.up_to,
                        users: vec![member.user.clone()],
                    }),
                }
            }
        }
        if attempt.number + 1 < PAUSES.len() {
            plan_next(shared, attempt);
        } else {
            give_up(shared, attempt, &lagging).await?;
        }
    }
    for (node, undelivered) in by_node {
        if *node == shared.incarnation() {
            undelivered.iter().for_each(|log| heard(shared, log));
            continue;
        }
        for undelivered in undelivered.chunks(CHUNK) {
            let payload = NodeMessage::Undelivered(undelivered.to_vec()).encode();
            shared
                .ports
                .bus
                .publish(std::slice::from_ref(node), payload)
                .await?;
        }
    }
    Ok(())
}

fn plan_next(shared: &Shared, attempt: &Attempt) {
    if attempt.number + 1 < PAUSES.len() {
        shared
            .attempts
            .plan(&attempt.conversation, attempt.number + 1, attempt.up_to);
    }
}

/// These are told once more and not again: it waits until they come without cursors, or ask.
async fn give_up(shared: &Shared, attempt: &Attempt, lagging: &[&MemberRecord]) -> Result<(), Unavailable> {
    let mut by_mark: BTreeMap<Seq, Vec<UserId>> = BTreeMap::new();
    for member in lagging {
        by_mark
            .entry(member.delivered + 1)
            .or_default()
            .push(member.user.clone());
    }
    metrics::counter!("starling_delivery_given_up_total").increment(lagging.len() as u64);
    for (first, users) in by_mark {
        let offline = &shared.ports.offline;
        offline.enqueue(&attempt.conversation, first, &users).await?;
    }
    Ok(())
}

/// A node has stored entries which these users, connected here, have not confirmed: compares, and makes good what is
/// missing.
pub(crate) fn heard(shared: &Arc<Shared>, log: &Undelivered) {
    shared.delivery.heard_head(shared, &log.conversation, log.head);
    for session in log.users.iter().flat_map(|user| shared.sessions.of(user)) {
        // Who follows the conversation already is left alone.
        session::welcome(shared, &session, &log.conversation, log.head);
    }
}
