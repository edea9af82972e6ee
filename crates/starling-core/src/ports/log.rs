//! The log of entries: the one place that decides what was said, and in which order.

use std::sync::Arc;

use async_trait::async_trait;
use starling_protocol::{ClientId, ConversationId, Entry, Seq, UserId};

use super::Unavailable;

/// Why an insert did not simply succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// The entry at `index` violates a unique key: its (conversation, seq) or its (conversation, sender,
    /// client id) is taken, perhaps both; the error does not say which. Entries before `index` are stored,
    /// majority-committed; entries from it on were not attempted.
    #[error("entry {index} of the batch collides with a stored one")]
    Duplicate {
        /// Position in the slice that was passed.
        index: usize,
    },
    /// No reply, or no majority in time: any prefix may be stored, or be stored later (a late insert).
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

/// Which messages of a log: by their numbers, that is by what `messages` says in their entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRange {
    /// Only those with a higher number.
    pub after: u64,
    /// Only those with this number or a lower one.
    pub to: u64,
    /// Only those of this user.
    pub sender: Option<UserId>,
    /// Which of them, where there are more than are wanted.
    pub end: RangeEnd,
    /// How many of them, from that end, are left out.
    pub skip: usize,
}

/// What messages of a range amount to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many users have sent them.
    pub senders: u64,
    /// On which days, in UTC, as their beginnings in milliseconds since the Unix epoch, and how many on each; the newest
    /// first.
    pub days: Vec<(i64, u64)>,
}

/// A day in milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeEnd {
    /// The oldest come first.
    Lowest,
    /// The newest come first.
    Highest,
}

/// The append-only log. Unique on (conversation, seq) and, where there is a client id, on (conversation,
/// sender, client id).
///
/// Every read is from the primary at majority: what it returns will never be rolled back.
#[async_trait]
pub trait EntryLog: Send + Sync + 'static {
    /// Inserts in the order given, stops at the first collision, returns once a majority holds it all.
    /// The batch may span conversations and is at most 16 MB; an empty batch is fine. Numbers are below 2^63: of a batch
    /// with a larger one nothing is stored, and the outcome is called unknown.
    ///
    /// # Errors
    /// See [`InsertError`].
    async fn insert(&self, entries: &[Arc<Entry>]) -> Result<(), InsertError>;

    /// The entry with the highest seq; `None` if the log is empty.
    ///
    /// # Errors
    /// [`Unavailable`] if the primary or the majority cannot be reached.
    async fn head(&self, conversation: &ConversationId) -> Result<Option<Arc<Entry>>, Unavailable>;

    /// The heads of many logs, in no order; empty logs are left out.
    ///
    /// # Errors
    /// As [`EntryLog::head`].
    async fn heads(&self, conversations: &[ConversationId]) -> Result<Vec<Arc<Entry>>, Unavailable>;

    /// Entries with `after < seq <= to`, ascending, at most `limit` (the lowest ones).
    ///
    /// # Errors
    /// As [`EntryLog::head`].
    async fn read(
        &self,
        conversation: &ConversationId,
        after: Seq,
        to: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable>;

    /// Entries with `seq < before`, at most `limit` (the highest ones), ascending.
    ///
    /// # Errors
    /// As [`EntryLog::head`].
    async fn read_back(
        &self,
        conversation: &ConversationId,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable>;

    /// Messages in a range, at most `limit` from its end, ascending. Costs what the range costs where it names a
    /// sender, and what is found and skipped otherwise.
    ///
    /// # Errors
    /// As [`EntryLog::head`].
    async fn messages(
        &self,
        conversation: &ConversationId,
        range: &MessageRange,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable>;

    /// Counts the messages with `after < number <= to`, on the newest `days` days of theirs.
    ///
    /// # Errors
    /// As [`EntryLog::head`].
    async fn tally(
        &self,
        conversation: &ConversationId,
        after: u64,
        to: u64,
        days: usize,
    ) -> Result<Tally, Unavailable>;

    /// Looks entries up by idempotency key, in no order; absent ones are left out. Absence is not final while
    /// an insert with an unknown outcome may still land.
    ///
    /// # Errors
    /// As [`EntryLog::head`].
    async fn find(
        &self,
        conversation: &ConversationId,
        keys: &[(UserId, ClientId)],
    ) -> Result<Vec<Arc<Entry>>, Unavailable>;

    /// Reads single places of many logs, in no order; absent ones are left out.
    ///
    /// # Errors
    /// As [`EntryLog::head`].
    async fn at(&self, places: &[(ConversationId, Seq)]) -> Result<Vec<Arc<Entry>>, Unavailable>;
}
