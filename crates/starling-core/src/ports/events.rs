//! Events: telling systems outside of what is stored, at least once, from the log itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use starling_protocol::{ConversationId, Entry, Kind, Seq, UserId};

use super::{LeaseToken, Unavailable};

/// A piece of one conversation's log, to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// Ascending by seq, contiguous, never empty, all of one conversation. Majority-committed, as they stand now: what
    /// was deleted before it was told has no text any more.
    pub entries: Vec<Arc<Entry>>,
    /// The members of a direct conversation; empty for the other kinds.
    pub pair: Vec<UserId>,
}

/// Why not all of a page was accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Nobody takes anything at the moment, be it of this conversation or of another.
    #[error("it cannot be reached: {0}")]
    Away(String),
    /// This one is not taken. Others may be.
    #[error("it refuses the event: {0}")]
    Refused(String),
}

/// What became of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// So many entries, from the first on, are in the sink's safe keeping. Of the others any may be, too.
    pub accepted: usize,
    /// Why not all. `None` with fewer than all: there was no more time, come again.
    pub failure: Option<PublishError>,
}

/// Takes events and keeps them safe for whoever wants them: a broker, a service of the operator's.
#[async_trait]
pub trait EventSink: Send + Sync + 'static {
    /// Its name for ever, of the letters a to z: how far it has been told is kept under it.
    fn name(&self) -> &'static str;

    /// Publishes one conversation's entries in their order, and returns once they are in safe keeping, within some
    /// seconds. An entry that is no event for anyone counts as accepted. Called for several conversations at the same
    /// time, for one only by one caller; an entry that was accepted may be published again.
    async fn publish(&self, page: &EventPage) -> Published;
}

/// Which conversations hold something that a sink was not told yet, and who is at it. Coordination: all of it may
/// vanish, which costs time (the rotation over all conversations finds what is behind) and repetitions.
#[async_trait]
pub trait EventQueue: Send + Sync + 'static {
    /// Puts conversations in, due at once. One that is in already stays as it is; one that is taken at the moment is due
    /// again as soon as it is given back. May put in nothing where far too many wait.
    ///
    /// # Errors
    /// [`Unavailable`], within a bounded time; likewise for all other methods.
    async fn put(&self, sink: &'static str, conversations: &[ConversationId]) -> Result<(), Unavailable>;

    /// Takes conversations that are due, at most `limit`, the longest due first. For so long nobody else gets them; then
    /// they are due again.
    ///
    /// # Errors
    /// [`Unavailable`]; some may be taken.
    async fn take(
        &self,
        sink: &'static str,
        claim: &LeaseToken,
        limit: usize,
        time: Duration,
    ) -> Result<Taken, Unavailable>;

    /// Gives back what was taken: `None` is done with, the others are due again after a while. What another has taken
    /// meanwhile is left to him.
    ///
    /// # Errors
    /// [`Unavailable`]; they are due again when their time is over.
    async fn give_back(
        &self,
        sink: &'static str,
        claim: &LeaseToken,
        conversations: &[(ConversationId, Option<Duration>)],
    ) -> Result<(), Unavailable>;
}

/// What was taken out of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// These.
    pub conversations: Vec<ConversationId>,
    /// How many are in the queue, these included.
    pub waiting: u64,
}

/// How far a sink was told of one conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCursor {
    /// Which conversation.
    pub conversation: ConversationId,
    /// What kind it is.
    pub kind: Kind,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Everything up to here is told. `None`: nothing was yet, and where to begin is to be found out.
    pub told: Option<Seq>,
}

/// How far sinks were told, kept for good. Reads are from the primary at majority; writes return once a majority holds
/// them.
#[async_trait]
pub trait EventCursors: Send + Sync + 'static {
    /// From which time on (in milliseconds since the Unix epoch) a sink is told what is stored; `now` where it is asked
    /// for the first time, and the same for ever after.
    ///
    /// # Errors
    /// [`Unavailable`] if the primary or the majority cannot be reached; likewise for all other methods.
    async fn told_since(&self, sink: &'static str, now: i64) -> Result<i64, Unavailable>;

    /// The cursors of these conversations, in no order; unknown ones are left out.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn cursors(
        &self,
        sink: &'static str,
        conversations: &[ConversationId],
    ) -> Result<Vec<EventCursor>, Unavailable>;

    /// A page of all conversations' cursors, by conversation id, after `after`.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn scan_cursors(
        &self,
        sink: &'static str,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<EventCursor>, Unavailable>;

    /// Raises cursors; never lowers one.
    ///
    /// # Errors
    /// [`Unavailable`]: some may be raised; raising all again does no harm.
    async fn raise_cursors(
        &self,
        sink: &'static str,
        cursors: &[(ConversationId, Seq)],
    ) -> Result<(), Unavailable>;
}

/// What telling systems outside needs.
#[derive(Clone)]
pub struct EventPorts {
    /// Who is told; each has a name of its own.
    pub sinks: Vec<Arc<dyn EventSink>>,
    /// Of which conversations.
    pub queue: Arc<dyn EventQueue>,
    /// How far.
    pub cursors: Arc<dyn EventCursors>,
}
