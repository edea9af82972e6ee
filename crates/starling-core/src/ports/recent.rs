//! The last entries of conversations, where coordination keeps them for whoever opens one.

use async_trait::async_trait;
use bytes::Bytes;
use starling_protocol::{ConversationId, Seq};

use super::Unavailable;

/// At most so many entries of a conversation are kept.
pub const RECENT_AT_MOST: usize = 1_000;

/// What [`Leases::commit`](super::Leases::commit) has kept of the batches that were stored, in their stored form.
///
/// It may be short, old or gone at any moment, and nobody takes anything out of it because the log has changed: a
/// reader must be able to tell from what he finds, and from the log's head, whether it is the end of the log.
#[async_trait]
pub trait RecentEntries: Send + Sync + 'static {
    /// The last entries, at most `limit`, in the order in which they were kept.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn recent(
        &self,
        conversation: &ConversationId,
        limit: usize,
    ) -> Result<Vec<(Seq, Bytes)>, Unavailable>;

    /// Keeps these, contiguous and read from the log, instead of what is kept, unless that goes further.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn keep_recent(
        &self,
        conversation: &ConversationId,
        entries: &[(Seq, Bytes)],
    ) -> Result<(), Unavailable>;
}
