//! Leases on conversations: who appends next. They buy speed; the log's unique keys keep order.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use starling_protocol::{ConversationId, Seq};

use super::{Incarnation, Unavailable};

/// Names one holder's claim: the incarnation that asks, and a number that makes each claim distinct, so that a
/// late command of an old claim cannot touch a newer one of the same node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseToken {
    /// The node that asks; it is told on its channel when the lease is handed to it.
    pub incarnation: Incarnation,
    /// Which of its claims.
    pub claim: u64,
}

impl std::fmt::Display for LeaseToken {
    /// `{incarnation}.{claim}`, the value of the lock key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.claim)
    }
}

/// The answer to [`Leases::reserve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// The lease is held from now on. The marks are those *before* this reservation, `None` where the key was
    /// missing: `counter == head == h` is what a clean predecessor leaves at head h. They are hints.
    Granted {
        /// The INCR counter.
        counter: Option<Seq>,
        /// The committed head.
        head: Option<Seq>,
    },
    /// Another holds it. The claim stands in a FIFO of waiters and is dropped from it unless it polls again
    /// within twice [`Leases::poll_interval`].
    Waiting,
}

/// What becomes of the lease after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCommit {
    /// Give it to the first live waiter, if there is one; otherwise free it.
    Release,
    /// Keep it, renewed, and reserve this many again, in the same round trip.
    Keep {
        /// How many to reserve.
        reserve: u32,
    },
    /// Keep it as above if nobody waits; otherwise hand it over.
    Yield {
        /// How many to reserve if it is kept.
        reserve: u32,
    },
}

/// A batch that is stored and may be announced.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Whose batch.
    pub conversation: ConversationId,
    /// The claim under which it was appended; `None` where the lease could not be had and none was held.
    pub token: Option<LeaseToken>,
    /// The head after the batch: counter and committed head are set to it if the token still holds the lease,
    /// and left alone otherwise.
    pub head: Seq,
    /// What becomes of the lease.
    pub then: AfterCommit,
    /// Published on the channel of every node on the conversation's route except `own`, whether or not the
    /// token still holds, with `entries` appended. Empty: publish nothing.
    pub payload: Bytes,
    /// The batch, which ends at `head`, in its stored form: kept for [`RecentEntries`](super::RecentEntries) behind what
    /// precedes it there, or instead of what does not. Empty: keep nothing.
    pub entries: Vec<Bytes>,
    /// The batch takes back what was said: nothing from before it is kept.
    pub takes_back: bool,
    /// The publishing node, which has delivered already.
    pub own: Incarnation,
    /// Published, after the payload, on the channel of the node that the lease is handed to.
    pub handover: Bytes,
}

/// The lease after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// Still held; the reservation that was asked for is made.
    Kept,
    /// Freed, or handed to a waiter.
    Released,
    /// It was another's already, or nobody's: expired, flushed, or lost with Redis.
    Lost,
}

/// The answer to a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The lease.
    pub lease: LeaseState,
    /// The conversation's route as it was when the payload was published, `own` included if it is there.
    pub route: Vec<Incarnation>,
}

/// Leases, sequence counters and the fan-out that goes with a commit. All methods fail within a bounded time.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// Takes, keeps or claims the lease and reserves `want` places in the same atomic step. A token that holds
    /// the lease, or that it was handed to, is granted at once and its time is renewed.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn reserve(
        &self,
        conversation: &ConversationId,
        token: &LeaseToken,
        want: u32,
    ) -> Result<Reservation, Unavailable>;

    /// Commits and publishes, atomically and in this order: marks, payload to the route, handover.
    ///
    /// # Errors
    /// [`Unavailable`]: whether it was published is unknown; receivers find out by comparing heads.
    async fn commit(&self, commit: Arc<Commit>) -> Result<Committed, Unavailable>;

    /// Gives the lease or the place among the waiters back without a commit.
    ///
    /// # Errors
    /// [`Unavailable`]; it will expire.
    async fn abandon(&self, conversation: &ConversationId, token: &LeaseToken) -> Result<(), Unavailable>;

    /// How long a lease lasts unless renewed.
    fn ttl(&self) -> Duration;

    /// How often a waiter should poll, before jitter.
    fn poll_interval(&self) -> Duration;
}
