//! A load: users who talk in conversations, each over a connection of his own, for a while.

mod talker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::stream::{self, TryStreamExt};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::latencies::Latencies;
use crate::wire::Wire;
use talker::Talker;

/// Connections that are made at the same time.
const CONNECTING: usize = 16;
/// What is under way when the load ends may take this long.
const DRAIN: Duration = Duration::from_secs(20);

/// Who talks how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// How many conversations there are.
    pub(crate) conversations: usize,
    /// How many users each has; the first is on one node, the second on the next.
    pub(crate) users: usize,
    /// How many members each has besides, who are not connected.
    pub(crate) away: usize,
    /// How many of the users talk; the others listen.
    pub(crate) talkers: usize,
    /// How fast.
    pub(crate) pace: Pace,
    /// Before counting starts: connections, caches and leases settle.
    pub(crate) warm_up: Duration,
    /// For how long is counted.
    pub(crate) measured: Duration,
}

/// How fast a load talks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// Each talker keeps so many sends unanswered: as fast as the system can.
    InFlight(usize),
    /// All talkers together send so many a second, evenly, however the system does.
    Offered(u64),
}

/// What became of a load.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// Sends that were acknowledged in all, outside of the measured time, too: as many messages must be stored.
    pub(crate) stored: u64,
    /// Sends that were acknowledged a second.
    pub(crate) acknowledged: f64,
    /// Messages that reached a user's socket a second.
    pub(crate) delivered: f64,
    /// From a send to its acknowledgement.
    pub(crate) acknowledgements: Latencies,
    /// From a send to each user's receipt.
    pub(crate) deliveries: Latencies,
}

/// The times of a load, the same for all talkers.
#[derive(Debug, Clone, Copy)]
struct Clock {
    origin: Instant,
    begin: Instant,
    end: Instant,
}

impl Clock {
    fn counts(&self, at: Instant) -> bool {
        (self.begin..self.end).contains(&at)
    }

    fn stamp(&self, at: Instant) -> u64 {
        u64::try_from((at - self.origin).as_nanos()).unwrap_or(u64::MAX)
    }

    fn stamped_at(&self, stamp: u64) -> Instant {
        self.origin + Duration::from_nanos(stamp)
    }
}

/// Puts a load on a system's nodes. `name` tells its users and conversations from those of other loads.
///
/// # Errors
/// A send that was refused or not acknowledged, a message that did not reach a user, a connection that ended.
pub(crate) async fn run<W: Wire>(wire: &W, nodes: &[String], name: &str, load: Load) -> Result<Outcome> {
    let groups: Vec<_> = stream::iter((0..load.conversations).map(Ok::<_, anyhow::Error>))
        .map_ok(|number| gather(wire, nodes, name, load, number))
        .try_buffered(CONNECTING)
        .try_collect()
        .await
        .context("setting up")?;

    let origin = Instant::now() + Duration::from_millis(200);
    let begin = origin + load.warm_up;
    let clock = Clock {
        origin,
        begin,
        end: begin + load.measured,
    };
    let open = Arc::new(AtomicU64::new(0));
    let mut talkers = JoinSet::new();
    let talking = (load.conversations * load.talkers) as u64;
    for (number, group) in groups.into_iter().enumerate() {
        for (place, (user, socket)) in group.members.into_iter().enumerate() {
            let pace = (place < load.talkers).then_some(load.pace);
            let talker = Talker {
                wire: wire.clone(),
                socket,
                conversation: group.id.clone(),
                user,
                pace,
                // Not the members of one conversation right after one another.
                turn: (place * load.conversations + number) as u64,
                turns: talking,
                clock,
                open: open.clone(),
            };
            talkers.spawn(talker.run());
        }
    }
    let seconds = load.measured.as_secs_f64();
    let mut outcome = Outcome::default();
    let (mut acknowledged, mut delivered, mut received) = (0, 0, 0);
    while let Some(tally) = talkers.join_next().await {
        let tally = tally??;
        outcome.stored += tally.stored;
        acknowledged += tally.acknowledged;
        delivered += tally.delivered;
        received += tally.received;
        outcome.acknowledgements.merge(tally.acknowledgements);
        outcome.deliveries.merge(tally.deliveries);
    }
    ensure!(
        received == outcome.stored * load.users as u64,
        "{received} receipts of {} messages by {} users each",
        outcome.stored,
        load.users
    );
    outcome.acknowledged = acknowledged as f64 / seconds;
    outcome.delivered = delivered as f64 / seconds;
    Ok(outcome)
}

struct Group {
    id: String,
    members: Vec<(String, crate::socket::Socket)>,
}

/// Connects the users of one conversation, and makes it.
async fn gather<W: Wire>(wire: &W, nodes: &[String], name: &str, load: Load, number: usize) -> Result<Group> {
    let members: Vec<_> = (0..load.users + load.away)
        .map(|place| format!("{name}-{number}-{place}"))
        .collect();
    let mut sockets: Vec<_> = stream::iter(
        members[..load.users]
            .iter()
            .enumerate()
            .map(Ok::<_, anyhow::Error>),
    )
    .map_ok(|(place, user)| wire.connect(&nodes[(number + place) % nodes.len()], user))
    .try_buffered(CONNECTING)
    .try_collect()
    .await?;
    let id = wire
        .converse(&mut sockets, &members, &format!("{name}-{number}"))
        .await?;
    Ok(Group {
        id,
        members: members.into_iter().zip(sockets).collect(),
    })
}

/// What one talker counted.
#[derive(Debug, Default)]
struct Tally {
    stored: u64,
    acknowledged: u64,
    delivered: u64,
    received: u64,
    acknowledgements: Latencies,
    deliveries: Latencies,
}

/// Whether all talkers have what they wait for; each asks after the end.
fn is_over(open: &AtomicU64, clock: &Clock) -> Result<bool> {
    let left = open.load(Ordering::Acquire);
    if left > 0 && clock.end.elapsed() > DRAIN {
        bail!("{left} acknowledgements or receipts are missing {DRAIN:?} after the end");
    }
    Ok(left == 0)
}
