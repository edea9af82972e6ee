//! Who is connected where, what waits for those who are not, and limits that hold cluster-wide.

use std::time::Duration;

use async_trait::async_trait;
use starling_protocol::{ConversationId, Seq, UserId};

use super::fresh_id::fresh_id;
use super::{Incarnation, Unavailable};

fresh_id! {
    /// One connection, unique in the cluster.
    ConnectionId
}

/// One entry of a user's session map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRef {
    /// The connection.
    pub connection: ConnectionId,
    /// The node that serves it; it may be dead, ask [`super::Bus::alive`].
    pub incarnation: Incarnation,
}

/// Whether a connection was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is in the map.
    Admitted,
    /// The user has as many as are allowed; the newest is refused.
    Full,
}

/// The session map: user → (connection → node).
#[async_trait]
pub trait SessionMap: Send + Sync + 'static {
    /// Enters a connection unless the user has `limit` others already. Connections of the incarnations in
    /// `dead` are removed first. Entering one that is there already changes only its node.
    ///
    /// # Errors
    /// [`Unavailable`]; likewise for all other methods. All fail within a bounded time.
    async fn connect(
        &self,
        user: &UserId,
        session: &SessionRef,
        limit: Option<usize>,
        dead: &[Incarnation],
    ) -> Result<Admission, Unavailable>;

    /// Removes a connection if it is still entered for that incarnation.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn disconnect(&self, user: &UserId, session: &SessionRef) -> Result<(), Unavailable>;

    /// The sessions of each of these users, in the same order.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn sessions(&self, users: &[UserId]) -> Result<Vec<Vec<SessionRef>>, Unavailable>;
}

/// For each user who is away: conversation → first seq that was not sent. An index over the log, bounded and
/// with a TTL; losing it costs a reader without cursors a look at the list.
#[async_trait]
pub trait OfflineIndex: Send + Sync + 'static {
    /// Notes that `seq` is the first that these users have not been sent, where nothing is noted yet.
    ///
    /// # Errors
    /// [`Unavailable`]; likewise for all other methods. All fail within a bounded time.
    async fn enqueue(
        &self,
        conversation: &ConversationId,
        seq: Seq,
        users: &[UserId],
    ) -> Result<(), Unavailable>;

    /// What waits for a user.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn pending(&self, user: &UserId) -> Result<Vec<(ConversationId, Seq)>, Unavailable>;

    /// The user has everything up to `mark` of a log whose head is `head`: moves what is noted to `mark + 1`,
    /// never back, and removes it only where `mark` is the head.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn delivered(
        &self,
        user: &UserId,
        conversation: &ConversationId,
        mark: Seq,
        head: Seq,
    ) -> Result<(), Unavailable>;
}

/// A token bucket: `per_second` on average, `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Refill.
    pub per_second: u32,
    /// Size.
    pub burst: u32,
}

/// How much of what was asked for is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateGrant {
    /// 0 to what was asked for.
    pub granted: u32,
    /// When one more will be there, if none was granted.
    pub retry_after: Duration,
}

/// Rate limits by user, cluster-wide.
#[async_trait]
pub trait RateLimiter: Send + Sync + 'static {
    /// Takes up to `want` from the user's bucket.
    ///
    /// # Errors
    /// [`Unavailable`], within a bounded time.
    async fn take(&self, user: &UserId, want: u32, limit: RateLimit) -> Result<RateGrant, Unavailable>;
}
