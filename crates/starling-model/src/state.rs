//! The state of the world: the store, Redis, the nodes, the clients, and the faults that are left.

use crate::config::{CLIENTS, Config, KINDS, Kind, OpId, Seq};
use crate::list::List;
use crate::redis::Redis;
use crate::store::Store;

/// Bounds of the lists; the configurations stay below them.
pub(crate) const NODES: usize = 3;
pub(crate) const OPS: usize = 7;
pub(crate) const QUEUE: usize = 6;
pub(crate) const BATCH: usize = 3;

/// A moment of the modelled world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    pub(crate) store: Store,
    pub(crate) redis: Redis,
    pub(crate) nodes: List<Node, NODES>,
    pub(crate) clients: [Client; CLIENTS],
    pub(crate) outcomes: [Outcome; OPS],
    pub(crate) faults: u8,
    pub(crate) allowed: [u8; KINDS],
}

impl State {
    pub(crate) fn new(config: &Config) -> Self {
        let node = Node {
            hub: 1,
            ..Node::default()
        };
        let client = |client: usize| Client {
            node: config.homes[client] as u8,
            ..Client::default()
        };
        Self {
            store: Store::new(),
            redis: Redis::new(),
            nodes: std::iter::repeat_n(node, config.nodes).collect(),
            clients: [client(0), client(1)],
            outcomes: [Outcome::Open; OPS],
            faults: config.faults,
            allowed: config.allowed,
        }
    }

    pub(crate) fn node(&self, node: usize) -> &Node {
        &self.nodes.as_slice()[node]
    }

    pub(crate) fn node_mut(&mut self, node: usize) -> &mut Node {
        &mut self.nodes.as_mut_slice()[node]
    }

    pub(crate) fn may_fail(&self, kind: Kind) -> bool {
        self.faults > 0 && self.allowed[kind as usize] > 0
    }

    pub(crate) fn outcome(&self, op: OpId) -> Outcome {
        self.outcomes[usize::from(op)]
    }
}

/// What a client was told of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// Nothing final yet.
    Open,
    /// It is stored at this place.
    Stored(Seq),
    /// It may not be, as of this head.
    Refused(Seq),
    /// The conversation is so already.
    Unchanged,
    /// The connection ended before the answer, and it is not sent again.
    Lost,
}

/// A client with one connection at a time, which sends its script in order without waiting for answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Client {
    pub(crate) node: u8,
    /// The number of its connection; those before it have ended.
    pub(crate) connection: u8,
    /// Connections by which something was sent that was given up: nothing that came behind it is appended.
    pub(crate) cut_off: Connections,
    /// Connections of which the nodes know that they have ended.
    pub(crate) over: Connections,
    /// How far this connection has sent the script.
    pub(crate) sent: u8,
    /// How far any connection has: up to here, what is sent is marked as a retry.
    pub(crate) ever: u8,
}

/// A node's actor, and the stream of its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Node {
    pub(crate) phase: Phase,
    pub(crate) queue: List<Queued, QUEUE>,
    /// What the insert under way, or just answered, carries; its first place.
    pub(crate) batch: List<Queued, BATCH>,
    pub(crate) base: Seq,
    /// What the next entry is built on; `None` whenever in doubt.
    pub(crate) held: Option<Held>,
    pub(crate) lease: Lease,
    /// Something stored may not be applied or announced.
    pub(crate) suspect: bool,
    /// Up to here all is known to be applied.
    pub(crate) applied: Seq,
    /// The `applied` mark that waits to be written; 0 if none does.
    pub(crate) mark: Seq,
    /// Up to here the node's sessions have the log.
    pub(crate) hub: Seq,
    /// Redis has failed to answer a moment ago.
    pub(crate) alone: bool,
    /// The counter as it was at the reservation; 0 unless it is trusted.
    pub(crate) counted: Seq,
}

/// An actor's knowledge of its conversation as of the entry at `mark`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) mark: Seq,
    /// The entry that made bob a member; 0 if he is none.
    pub(crate) since: Seq,
}

/// An operation in an actor's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Queued {
    pub(crate) op: OpId,
    /// The connection that it came by.
    pub(crate) origin: u8,
    /// The connections that ask for its answer.
    pub(crate) asked_by: Connections,
    pub(crate) look_up: bool,
    /// The client has sent it before, perhaps to another node.
    pub(crate) retried: bool,
    /// The membership under which it was first judged, as [`Held::since`].
    pub(crate) under: Option<Seq>,
    /// The highest place that an insert of it tried; 0 if none did.
    pub(crate) tried: Seq,
    /// When it was last looked up and not found, every place up to here was known to be taken.
    pub(crate) absent_as_of: Seq,
}

/// A set of a client's connections, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Connections(u8);

impl Connections {
    pub(crate) fn of(connection: u8) -> Self {
        Self(1 << connection)
    }

    pub(crate) fn has(self, connection: u8) -> bool {
        self.0 & 1 << connection != 0
    }

    pub(crate) fn before(connection: u8) -> Self {
        Self((1 << connection) - 1)
    }

    pub(crate) fn add(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// The same connections, numbered among those of `used`; others are left out.
    pub(crate) fn renumbered(self, used: Self) -> Self {
        let kept = (0..u8::BITS as u8).filter(|connection| self.has(*connection) && used.has(*connection));
        Self(kept.fold(0, |all, connection| all | 1 << used.below(connection)))
    }

    /// How many there are with a lower number.
    pub(crate) fn below(self, connection: u8) -> u8 {
        (self.0 & ((1 << connection) - 1)).count_ones() as u8
    }
}

/// What a node believes of the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Lease {
    #[default]
    None,
    Held,
    /// Held, and places are reserved in it since the last commit.
    Reserved,
}

/// What Redis said of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Hint {
    /// The lease was kept since this node's own last batch.
    Kept,
    /// Counter and head are both this, as a clean predecessor leaves them.
    Clean(Seq),
    Unclean,
    /// No lease: Redis did not answer.
    None,
}

impl Hint {
    pub(crate) fn is_clean_at(self, seq: Seq) -> bool {
        match self {
            Self::Clean(marks) => marks == seq,
            Self::Unclean => false,
            Self::Kept | Self::None => true,
        }
    }
}

/// Which call an actor is about to make, or waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Phase {
    /// Between turns. Takes operations in.
    #[default]
    Idle,
    /// Reads the head before it refuses anything.
    Refuse,
    Acquire,
    /// Reads the head after the lease.
    Refresh(Hint),
    /// Applies effects again that may not have been, of entries after `from` up to `to`.
    ReApply {
        from: Seq,
        to: Seq,
        settling: bool,
    },
    /// Announces the head.
    Announce {
        settling: bool,
    },
    /// Waits for the answer of its insert.
    Insert,
    /// Applies the effects of what it has stored.
    Apply,
    /// Commits and publishes.
    Commit,
}
