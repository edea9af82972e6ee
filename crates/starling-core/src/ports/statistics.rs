//! What the whole store holds, in numbers.

use async_trait::async_trait;
use starling_protocol::{ConversationId, UserId};

use super::{Tally, Unavailable};

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Conversations; those that were deleted for all are left out.
    pub conversations: u64,
    /// Messages, of all conversations that there ever were; those that were taken back count.
    pub messages: u64,
    /// Users who were ever seen.
    pub users: u64,
}

/// Counts. Each costs what it looks at: not for the hot path. Reads are from the primary at majority.
#[async_trait]
pub trait Statistics: Send + Sync + 'static {
    /// What the store holds. Looks at the head of every log.
    ///
    /// # Errors
    /// [`Unavailable`] if the primary or the majority cannot be reached, or it takes too long; likewise for all other
    /// methods.
    async fn totals(&self) -> Result<Totals, Unavailable>;

    /// What the messages among the newest `entries` entries of all logs amount to, on all of their days.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn tally_newest(&self, entries: usize) -> Result<Tally, Unavailable>;

    /// On which days, and how many on each, this user has sent messages in these conversations; the newest first. Looks
    /// at no more than `entries` of his entries, whichever.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn sent_by(
        &self,
        user: &UserId,
        conversations: &[ConversationId],
        entries: usize,
    ) -> Result<Vec<(i64, u64)>, Unavailable>;
}
