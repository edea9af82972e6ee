//! Presence: which users are connected to which node, and what they say about themselves.

use async_trait::async_trait;
use bytes::Bytes;
use starling_protocol::UserId;

use super::{ConnectionId, Incarnation, Unavailable};

/// Who is connected to which node, so that others can tell of a dead node's users; and which connections say that
/// nobody looks at them. Coordination: all of it may vanish, and is entered again by the nodes that live.
#[async_trait]
pub trait PresenceIndex: Send + Sync + 'static {
    /// Enters a node, and these users as connected to it.
    ///
    /// # Errors
    /// [`Unavailable`]; likewise for all other methods. All fail within a bounded time.
    async fn enter(&self, incarnation: &Incarnation, users: &[UserId]) -> Result<(), Unavailable>;

    /// These users are not connected to that node any more.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn leave(&self, incarnation: &Incarnation, users: &[UserId]) -> Result<(), Unavailable>;

    /// All nodes that are entered, dead ones included.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn nodes(&self) -> Result<Vec<Incarnation>, Unavailable>;

    /// Some of the users who are entered as connected to that node, at most `limit`.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn users_of(&self, incarnation: &Incarnation, limit: usize) -> Result<Vec<UserId>, Unavailable>;

    /// A node is dead, and none of its users is left.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn forget(&self, incarnation: &Incarnation) -> Result<(), Unavailable>;

    /// Notes whether a connection says that nobody looks at it.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn set_away(&self, user: &UserId, connection: &ConnectionId, away: bool)
    -> Result<(), Unavailable>;

    /// The connections of each of these users that say so, in the same order; some may have ended.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn away(&self, users: &[UserId]) -> Result<Vec<Vec<ConnectionId>>, Unavailable>;

    /// Publishes to all nodes that are entered except `own`.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn announce_to_nodes(&self, payload: Bytes, own: &Incarnation) -> Result<(), Unavailable>;
}

/// What is kept of a user for others to see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remembered {
    /// What he says about himself.
    pub text: Option<String>,
    /// When his last connection ended, in milliseconds since the Unix epoch.
    pub last_seen: Option<i64>,
}

/// What is kept of presence for good, with the users. Reads are from the primary at majority; writes return once a
/// majority holds them.
#[async_trait]
pub trait PresenceStore: Send + Sync + 'static {
    /// What is kept of each of these users, in the same order.
    ///
    /// # Errors
    /// [`Unavailable`] if the primary or the majority cannot be reached; likewise for all other methods.
    async fn remembered(&self, users: &[UserId]) -> Result<Vec<Remembered>, Unavailable>;

    /// Keeps what a user says about himself; `None` takes it away.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn set_text(&self, user: &UserId, text: Option<&str>) -> Result<(), Unavailable>;

    /// These users' last connections have ended; a later time that is kept stays.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn seen(&self, users: &[UserId], at: i64) -> Result<(), Unavailable>;

    /// Which of `others` are present members of a conversation of `user`, in no order.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn sharing(&self, user: &UserId, others: &[UserId]) -> Result<Vec<UserId>, Unavailable>;
}
