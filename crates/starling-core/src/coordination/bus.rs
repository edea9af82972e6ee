//! Channels between nodes, routes and liveness.
//!
//! Pub/sub is at most once. A payload that does not fit is dropped and the receiver is told; a payload that a
//! simulation drops, or that comes while it has cut the subscription, is simply gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use starling_protocol::ConversationId;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use super::node::{Keys, LocalNode, NodeId, Way};
use crate::ports::{Bus, BusEvent, Incarnation, Unavailable};

/// Who listens to what: one subscriber for each node.
#[derive(Default)]
pub(crate) struct Subscribers {
    nodes: BTreeMap<NodeId, Subscriber>,
    /// Payloads that vanish, whomever they are for.
    dropping: usize,
}

#[derive(Default)]
struct Subscriber {
    listening: Option<Listening>,
    cut: bool,
    /// Payloads to this node that vanish.
    dropping: usize,
    /// Payloads that wait until the node goes on, if it is stopped.
    waiting: Option<Vec<Bytes>>,
}

struct Listening {
    incarnation: Incarnation,
    into: mpsc::Sender<BusEvent>,
    /// A `Missed` waits for room. Payloads that come before it are covered by it, and dropped.
    missed: Arc<AtomicBool>,
}

impl Subscribers {
    pub(crate) fn add(&mut self, node: NodeId) {
        self.nodes.insert(node, Subscriber::default());
    }

    pub(crate) fn remove(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    pub(crate) fn listening(&self, node: NodeId) -> Option<Incarnation> {
        Some(self.nodes.get(&node)?.listening.as_ref()?.incarnation.clone())
    }

    pub(crate) fn drop_any(&mut self, count: usize) {
        self.dropping = count;
    }

    pub(crate) fn drop_for(&mut self, node: NodeId, count: usize) {
        self.with(node, |subscriber| subscriber.dropping = count);
    }

    pub(crate) fn cut(&mut self, node: NodeId) {
        self.with(node, |subscriber| subscriber.cut = true);
    }

    pub(crate) fn mend(&mut self, node: NodeId, reason: &'static str) {
        self.with(node, |subscriber| {
            subscriber.cut = false;
            subscriber.missed(reason);
        });
    }

    pub(crate) fn mend_silently(&mut self, node: NodeId) {
        self.with(node, |subscriber| subscriber.cut = false);
    }

    pub(crate) fn stop(&mut self, node: NodeId) {
        self.with(node, |subscriber| {
            subscriber.waiting.get_or_insert_default();
        });
    }

    pub(crate) fn resume(&mut self, node: NodeId) {
        self.with(node, |subscriber| {
            for payload in subscriber.waiting.take().unwrap_or_default() {
                subscriber.deliver(&payload);
            }
        });
    }

    pub(crate) fn all_missed(&self, reason: &'static str) {
        self.nodes
            .values()
            .for_each(|subscriber| subscriber.missed(reason));
    }

    pub(super) fn publish(&mut self, to: &Incarnation, payload: &Bytes) {
        let hearing = |listening: &Listening| listening.incarnation == *to;
        for subscriber in self.nodes.values_mut() {
            if subscriber.cut || !subscriber.listening.as_ref().is_some_and(hearing) {
                continue;
            }
            let dropping = if self.dropping > 0 {
                &mut self.dropping
            } else {
                &mut subscriber.dropping
            };
            if *dropping > 0 {
                *dropping -= 1;
            } else {
                subscriber.deliver(payload);
            }
        }
    }

    fn listen(&mut self, node: NodeId, incarnation: &Incarnation, into: mpsc::Sender<BusEvent>) {
        self.with(node, |subscriber| {
            subscriber.listening = Some(Listening {
                incarnation: incarnation.clone(),
                into,
                missed: Arc::default(),
            });
        });
    }

    fn with(&mut self, node: NodeId, f: impl FnOnce(&mut Subscriber)) {
        if let Some(subscriber) = self.nodes.get_mut(&node) {
            f(subscriber);
        }
    }
}

impl Subscriber {
    fn deliver(&mut self, payload: &Bytes) {
        if let Some(waiting) = &mut self.waiting {
            return waiting.push(payload.clone());
        }
        let Some(listening) = self
            .listening
            .as_ref()
            .filter(|to| !to.missed.load(Ordering::Acquire))
        else {
            return;
        };
        match listening.into.try_send(BusEvent::Message(payload.clone())) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => listening.missed("the channel was full"),
            Err(TrySendError::Closed(_)) => self.listening = None,
        }
    }

    fn missed(&self, reason: &'static str) {
        if let Some(listening) = self.listening.as_ref().filter(|_| !self.cut) {
            listening.missed(reason);
        }
    }
}

impl Listening {
    /// Tells the receiver that it may have missed something, as soon as there is room for that.
    fn missed(&self, reason: &'static str) {
        if self.missed.swap(true, Ordering::AcqRel) {
            return;
        }
        match self.into.try_send(BusEvent::Missed { reason }) {
            Ok(()) => self.missed.store(false, Ordering::Release),
            Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(event)) => {
                let (into, missed) = (self.into.clone(), Arc::clone(&self.missed));
                tokio::spawn(async move {
                    if let Ok(room) = into.reserve().await {
                        // Cleared first: a payload dropped from here on would be dropped without a notice.
                        missed.store(false, Ordering::Release);
                        room.send(event);
                    }
                });
            }
        }
    }
}

impl Keys {
    /// The incarnations that are alive.
    pub(crate) fn living(&self, now: Instant) -> Vec<Incarnation> {
        let living = self.alive.iter().filter(|(_, until)| **until > now);
        living.map(|(id, _)| id.clone()).collect()
    }

    /// Ends a node's liveness.
    pub(crate) fn end_liveness(&mut self, incarnation: &Incarnation) {
        self.alive.remove(incarnation);
    }

    pub(crate) fn route(&self, conversation: &ConversationId) -> Vec<Incarnation> {
        self.routes
            .get(conversation)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

#[async_trait]
impl<W: Way> Bus for LocalNode<W> {
    async fn listen(
        &self,
        incarnation: &Incarnation,
        into: mpsc::Sender<BusEvent>,
    ) -> Result<(), Unavailable> {
        let (id, liveness) = (self.id(), self.timing().liveness);
        self.call(|state, now| {
            state.subscribers.listen(id, incarnation, into);
            state.keys.alive.retain(|_, until| *until > now);
            state.keys.alive.insert(incarnation.clone(), now + liveness);
        })
        .await
    }

    async fn keep_alive(&self, incarnation: &Incarnation) -> Result<bool, Unavailable> {
        let liveness = self.timing().liveness;
        self.call(|state, now| match state.keys.alive.get_mut(incarnation) {
            Some(until) if *until > now => {
                *until = now + liveness;
                true
            }
            _ => false,
        })
        .await
    }

    async fn retire(&self, incarnation: &Incarnation) -> Result<(), Unavailable> {
        self.call(|state, _| state.keys.end_liveness(incarnation)).await
    }

    async fn alive(&self, incarnations: &[Incarnation]) -> Result<Vec<bool>, Unavailable> {
        self.call(|state, now| {
            let alive = |id| state.keys.alive.get(id).is_some_and(|until| *until > now);
            incarnations.iter().map(alive).collect()
        })
        .await
    }

    async fn publish(&self, to: &[Incarnation], payload: Bytes) -> Result<(), Unavailable> {
        self.call(|state, _| to.iter().for_each(|to| state.subscribers.publish(to, &payload)))
            .await
    }

    async fn routes(&self, conversations: &[ConversationId]) -> Result<Vec<Vec<Incarnation>>, Unavailable> {
        self.call(|state, _| conversations.iter().map(|id| state.keys.route(id)).collect())
            .await
    }

    async fn join_routes(
        &self,
        conversations: &[ConversationId],
        incarnation: &Incarnation,
    ) -> Result<(), Unavailable> {
        self.call(|state, _| {
            for conversation in conversations {
                state
                    .keys
                    .routes
                    .entry(conversation.clone())
                    .or_default()
                    .insert(incarnation.clone());
            }
        })
        .await
    }

    async fn leave_route(
        &self,
        conversation: &ConversationId,
        incarnations: &[Incarnation],
    ) -> Result<(), Unavailable> {
        self.call(|state, _| {
            if let Some(route) = state.keys.routes.get_mut(conversation) {
                route.retain(|incarnation| !incarnations.contains(incarnation));
                if route.is_empty() {
                    state.keys.routes.remove(conversation);
                }
            }
        })
        .await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.call(|_, _| ()).await
    }
}
