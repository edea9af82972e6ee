//! The service, and one handle for each node.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use starling_protocol::{ConversationId, UserId};
use tokio::time::Instant;

use super::bounded::Bounded;
use super::bus::Subscribers;
use super::codes::CodeKey;
use super::events::Waiting;
use super::leases::Slot;
use super::recent::Recents;
use super::sessions::{Bucket, Queue};
use crate::ports::{ConnectionId, Incarnation, Unavailable};

/// How long things last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A lease, unless renewed.
    pub lease: Duration,
    /// A lease that was handed over, until it is claimed.
    pub handover: Duration,
    /// Between two polls of a waiter; it is forgotten after twice that.
    pub poll: Duration,
    /// A node's liveness, unless renewed.
    pub liveness: Duration,
    /// What is noted for a user who is away, after the last note.
    pub queue: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(3),
            handover: Duration::from_millis(200),
            poll: Duration::from_millis(100),
            liveness: Duration::from_secs(10),
            queue: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// The way from a node to the service.
pub trait Way: Send + Sync + 'static {
    /// Carries `operation` out at some point of the call's time, or fails.
    fn call<T: Send>(
        &self,
        operation: impl FnOnce() -> T + Send,
    ) -> impl Future<Output = Result<T, Unavailable>> + Send;
}

/// Within one process there is nothing on the way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Direct;

impl Way for Direct {
    async fn call<T: Send>(&self, operation: impl FnOnce() -> T + Send) -> Result<T, Unavailable> {
        Ok(operation())
    }
}

/// One node's handle on coordination within this process. It implements [`crate::ports::Leases`],
/// [`crate::ports::Bus`], [`crate::ports::RecentEntries`], [`crate::ports::SessionMap`],
/// [`crate::ports::PresenceIndex`], [`crate::ports::OfflineIndex`], [`crate::ports::RateLimiter`],
/// [`crate::ports::Codes`], [`crate::ports::Quotas`] and [`crate::ports::EventQueue`]. Clones are the same node; when
/// the last one is gone, so is its subscription.
pub struct LocalNode<W: Way = Direct> {
    inner: Arc<NodeInner<W>>,
}

impl<W: Way> Clone for LocalNode<W> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

struct NodeInner<W> {
    service: Service,
    way: W,
    id: NodeId,
}

impl<W> Drop for NodeInner<W> {
    fn drop(&mut self) {
        self.service.state().subscribers.remove(self.id);
    }
}

impl LocalNode {
    /// The only node of a service of its own.
    pub fn alone(timing: Timing) -> Self {
        Service::new(timing).node(Direct)
    }

    /// Another node of the same service.
    pub fn peer(&self) -> Self {
        self.inner.service.node(Direct)
    }
}

impl<W: Way> LocalNode<W> {
    pub(crate) fn id(&self) -> NodeId {
        self.inner.id
    }

    pub(crate) fn way(&self) -> &W {
        &self.inner.way
    }

    pub(crate) fn service(&self) -> &Service {
        &self.inner.service
    }

    pub(super) fn timing(&self) -> Timing {
        self.inner.service.0.timing
    }

    /// One call: `operation` happens atomically at some point of it, or not at all.
    pub(super) async fn call<T: Send>(
        &self,
        operation: impl FnOnce(&mut State, Instant) -> T + Send,
    ) -> Result<T, Unavailable> {
        let service = &self.inner.service;
        self.inner
            .way
            .call(|| operation(&mut service.state(), Instant::now()))
            .await
    }
}

/// The state that all nodes share. Clones share it.
#[derive(Clone)]
pub(crate) struct Service(Arc<Shared>);

struct Shared {
    timing: Timing,
    state: Mutex<State>,
}

/// Which of the handles.
pub(crate) type NodeId = u64;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) keys: Keys,
    pub(crate) subscribers: Subscribers,
    nodes: NodeId,
}

/// What a flush loses and a fail-over may set back. Expiry is by absolute time, as it is in a replica.
///
/// What there is for each connection and each node of this process needs no other bound than they have.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    pub(super) slots: Bounded<ConversationId, Slot>,
    pub(super) recent: Recents,
    pub(super) routes: HashMap<ConversationId, BTreeSet<Incarnation>>,
    pub(super) alive: BTreeMap<Incarnation, Instant>,
    pub(super) sessions: HashMap<UserId, BTreeMap<ConnectionId, Incarnation>>,
    pub(super) queues: Bounded<UserId, Queue>,
    pub(super) buckets: Bounded<UserId, Bucket>,
    pub(super) nodes: BTreeMap<Incarnation, BTreeSet<UserId>>,
    pub(super) away: Bounded<UserId, BTreeSet<ConnectionId>>,
    pub(super) codes: Bounded<String, CodeKey>,
    /// When each is whole again.
    pub(super) quotas: Bounded<String, Instant>,
    /// By the names of sinks, which are few.
    pub(super) events: HashMap<&'static str, Waiting>,
}

impl Service {
    pub(crate) fn new(timing: Timing) -> Self {
        Self(Arc::new(Shared {
            timing,
            state: Mutex::default(),
        }))
    }

    /// The handle of a new node.
    pub(crate) fn node<W: Way>(&self, way: W) -> LocalNode<W> {
        let id = {
            let mut state = self.state();
            state.nodes += 1;
            let id = state.nodes;
            state.subscribers.add(id);
            id
        };
        LocalNode {
            inner: Arc::new(NodeInner {
                service: self.clone(),
                way,
                id,
            }),
        }
    }

    pub(crate) fn state(&self) -> parking_lot::MutexGuard<'_, State> {
        self.0.state.lock()
    }
}
