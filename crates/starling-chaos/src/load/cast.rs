//! Who takes part, and in what.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::{join_all, try_join_all};
use starling_check::Recorder;
use starling_client::protocol::{ClientId, ConversationId, Create, Kind, UserId};
use starling_cluster::Cluster;
use tokio::time::{Instant, sleep, timeout};

use super::participant::Participant;
use super::progress::Progress;

const USERS: usize = 54;
/// Users who have a second device.
const PHONES: usize = 6;
const CONVERSATIONS: usize = 12;
/// Of a conversation other than the hot one: those who stay, and those who come and go.
const STAYERS: usize = 6;
const FLOATERS: usize = 3;

/// Members of the hot conversation without a recorded client: for connections that misbehave.
pub(crate) const BYSTANDERS: [&str; 3] = ["bystander1", "bystander2", "bystander3"];

/// All clients and conversations.
pub(crate) struct Cast {
    pub(crate) participants: Vec<Arc<Participant>>,
    pub(crate) conversations: Vec<Conversation>,
    pub(crate) progress: Arc<Progress>,
}

/// A conversation; the first is the hot one, which has every user.
pub(crate) struct Conversation {
    pub(crate) id: ConversationId,
    /// Its admin's client.
    pub(crate) admin: usize,
    pub(crate) stayers: Vec<usize>,
    pub(crate) floaters: Vec<usize>,
}

impl Cast {
    /// Connects all clients and makes the conversations.
    pub(crate) async fn assemble(cluster: &Cluster, recorder: &Arc<Recorder>) -> Result<Self> {
        let progress = Arc::new(Progress::new(CONVERSATIONS));
        let devices = (0..USERS)
            .map(|user| format!("u{user}"))
            .chain((0..PHONES).map(|user| format!("u{user}/phone")));
        let participants = try_join_all(devices.enumerate().map(async |(number, name)| {
            Participant::connect(cluster, cluster.front_ws_url(), recorder, number, &name).await
        }))
        .await?;
        let participants: Vec<_> = participants.into_iter().map(Arc::new).collect();
        let conversations =
            try_join_all((0..CONVERSATIONS).map(|number| make(&participants, number))).await?;
        Ok(Self {
            participants,
            conversations,
            progress,
        })
    }

    /// Waits until every client is connected and has caught up.
    pub(crate) async fn all_live(&self, within: Duration) -> Result<()> {
        let live = self.participants.iter().map(|participant| async move {
            timeout(within, participant.client().live())
                .await
                .with_context(|| format!("{} did not come back within {within:?}", participant.name()))?
                .with_context(|| format!("the client of {} has ended", participant.name()))
        });
        try_join_all(live).await.map(drop)
    }

    /// Waits until what has piled up is worked off: no more sends are without an answer than there are clients. On
    /// a machine that is too busy for the load that may never be so, and it waits no longer than that.
    pub(crate) async fn calm(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let unanswered = || {
            self.participants
                .iter()
                .map(|participant| participant.unanswered())
                .sum::<usize>()
        };
        while unanswered() > self.participants.len() && Instant::now() < deadline {
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until every send has its answer. What is still open stays so.
    pub(crate) async fn all_answered(&self, within: Duration) -> usize {
        let open = self
            .participants
            .iter()
            .map(|participant| participant.answered(within));
        join_all(open).await.into_iter().sum()
    }
}

async fn make(participants: &[Arc<Participant>], number: usize) -> Result<Conversation> {
    let (admin, stayers, floaters) = if number == 0 {
        (0, (0..participants.len()).collect(), Vec::new())
    } else {
        let first = number * (USERS / CONVERSATIONS);
        let member = |offset: usize| (first + offset) % USERS;
        (
            member(0),
            (0..STAYERS).map(member).collect::<Vec<_>>(),
            (STAYERS..STAYERS + FLOATERS).map(member).collect(),
        )
    };
    let mut users: Vec<UserId> = stayers
        .iter()
        .map(|&index| participants[index].user().clone())
        .collect();
    if number == 0 {
        for name in BYSTANDERS {
            users.push(UserId::new(name)?);
        }
    }
    users.sort();
    users.dedup();
    users.retain(|user| user != participants[admin].user());
    let create = Create {
        name: Some(if number == 0 {
            "hot".to_owned()
        } else {
            format!("group {number}")
        }),
        open: Some(number != 0),
        client_id: Some(ClientId::new(format!("create-{number}"))?),
        ..Create::of(Kind::Group, users)
    };
    let id = participants[admin].create(create).await?;
    Ok(Conversation {
        id,
        admin,
        stayers,
        floaters,
    })
}
