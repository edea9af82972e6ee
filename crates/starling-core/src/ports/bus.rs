//! Messages between nodes, and which nodes are alive.

use async_trait::async_trait;
use bytes::Bytes;
use starling_protocol::ConversationId;
use tokio::sync::mpsc;

use super::Unavailable;
use super::fresh_id::fresh_id;

fresh_id! {
    /// One life of a node. A new one at every start, and whenever the node's liveness lapsed; never used again.
    Incarnation
}

/// What a node hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusEvent {
    /// A payload, in the order in which one publisher published it.
    Message(Bytes),
    /// Payloads may have been missed (lag, resubscribe, reconnect, failover): compare heads.
    Missed {
        /// For people and metrics.
        reason: &'static str,
    },
}

/// Pub/sub between nodes, at most once; routes; liveness. All methods fail within a bounded time.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Starts hearing the channel of `incarnation`, and writes its liveness key. What is heard goes into `into`;
    /// if that is full the payload is dropped and a [`BusEvent::Missed`] follows. The channels of earlier
    /// incarnations of this bus are left.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn listen(
        &self,
        incarnation: &Incarnation,
        into: mpsc::Sender<BusEvent>,
    ) -> Result<(), Unavailable>;

    /// Renews the liveness key. `false`: it was gone (the incarnation has lapsed; others may have dropped it).
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn keep_alive(&self, incarnation: &Incarnation) -> Result<bool, Unavailable>;

    /// Ends the incarnation: deletes its liveness key.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn retire(&self, incarnation: &Incarnation) -> Result<(), Unavailable>;

    /// Which of these are alive, in the same order.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn alive(&self, incarnations: &[Incarnation]) -> Result<Vec<bool>, Unavailable>;

    /// Publishes to single nodes.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn publish(&self, to: &[Incarnation], payload: Bytes) -> Result<(), Unavailable>;

    /// The nodes on each of these conversations' routes, in the same order.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn routes(&self, conversations: &[ConversationId]) -> Result<Vec<Vec<Incarnation>>, Unavailable>;

    /// Puts the node on the routes of these conversations.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn join_routes(
        &self,
        conversations: &[ConversationId],
        incarnation: &Incarnation,
    ) -> Result<(), Unavailable>;

    /// Takes nodes off a conversation's route.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn leave_route(
        &self,
        conversation: &ConversationId,
        incarnations: &[Incarnation],
    ) -> Result<(), Unavailable>;

    /// Whether the service answers.
    ///
    /// # Errors
    /// [`Unavailable`] if not.
    async fn ping(&self) -> Result<(), Unavailable>;
}
