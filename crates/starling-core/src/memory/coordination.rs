//! The shared service, as Redis is one: keys that expire, channels, and one handle for each node.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use starling_protocol::{ConversationId, Seq, UserId};
use tokio::time::Instant;

use super::bus::Subscribers;
use super::faults::{Latency, Link};
use super::leases::Slot;
use super::people::CodeKey;
use super::recent::Recent;
use super::sessions::{Bucket, Queue};
use crate::ports::{ConnectionId, Incarnation, LeaseToken, SessionRef, Unavailable};

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

/// The simulated coordination service. Clones share it; [`MemoryCoordination::node`] makes a node's handle.
///
/// Inspection sees the state at once and is never subject to faults.
#[derive(Clone)]
pub struct MemoryCoordination {
    shared: Arc<Shared>,
}

/// One node's handle on the coordination service. It implements [`crate::ports::Leases`],
/// [`crate::ports::Bus`], [`crate::ports::RecentEntries`], [`crate::ports::SessionMap`], [`crate::ports::PresenceIndex`],
/// [`crate::ports::OfflineIndex`] and [`crate::ports::RateLimiter`]. Clones are the same node; when the last one is gone, so is its subscription.
#[derive(Clone)]
pub struct MemoryNode {
    inner: Arc<NodeInner>,
}

/// All keys as they were at one moment, to go back to.
#[derive(Clone)]
pub struct Snapshot(Keys);

pub(super) struct Shared {
    pub(super) timing: Timing,
    link: Arc<Link>,
    state: Mutex<State>,
}

struct NodeInner {
    shared: Arc<Shared>,
    link: Link,
    id: NodeId,
}

/// Which of the handles.
pub(super) type NodeId = u64;

#[derive(Default)]
pub(super) struct State {
    pub(super) keys: Keys,
    pub(super) subscribers: Subscribers,
    nodes: NodeId,
}

/// What a flush loses and a fail-over may set back. Expiry is by absolute time, as it is in a replica.
#[derive(Clone, Default)]
pub(super) struct Keys {
    pub(super) slots: HashMap<ConversationId, Slot>,
    pub(super) recent: HashMap<ConversationId, Recent>,
    pub(super) routes: HashMap<ConversationId, BTreeSet<Incarnation>>,
    pub(super) alive: BTreeMap<Incarnation, Instant>,
    pub(super) sessions: HashMap<UserId, BTreeMap<ConnectionId, Incarnation>>,
    pub(super) queues: HashMap<UserId, Queue>,
    pub(super) buckets: HashMap<UserId, Bucket>,
    pub(super) nodes: BTreeMap<Incarnation, BTreeSet<UserId>>,
    pub(super) away: HashMap<UserId, BTreeSet<ConnectionId>>,
    pub(super) codes: HashMap<String, CodeKey>,
    /// When each is whole again.
    pub(super) quotas: HashMap<String, Instant>,
}

impl Default for MemoryCoordination {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryCoordination {
    /// An empty service with the default [`Timing`].
    pub fn new() -> Self {
        Self::with_timing(Timing::default())
    }

    /// An empty service.
    pub fn with_timing(timing: Timing) -> Self {
        let link = Arc::new(Link::new("coordination", None));
        Self {
            shared: Arc::new(Shared {
                timing,
                link,
                state: Mutex::default(),
            }),
        }
    }

    /// The handle of a new node.
    pub fn node(&self) -> MemoryNode {
        let id = {
            let mut state = self.shared.state.lock();
            state.nodes += 1;
            let id = state.nodes;
            state.subscribers.add(id);
            id
        };
        let link = Link::new("coordination", Some(Arc::clone(&self.shared.link)));
        MemoryNode {
            inner: Arc::new(NodeInner {
                shared: Arc::clone(&self.shared),
                link,
                id,
            }),
        }
    }

    /// Takes the service away from all nodes, or gives it back; then each hears that it may have missed something.
    pub fn set_reachable(&self, reachable: bool) {
        self.shared.link.set_reachable(reachable);
        if reachable {
            self.shared.state.lock().subscribers.all_missed("reconnected");
        }
    }

    /// How long calls of all nodes take from now on.
    pub fn set_latency(&self, latency: Latency) {
        self.shared.link.set_latency(latency);
    }

    /// The next so many calls, of whichever node, are carried out but answered as unavailable.
    pub fn lose_replies(&self, count: usize) {
        self.shared.link.lose_replies(count);
    }

    /// The next so many payloads, to whichever node, vanish without a trace.
    pub fn drop_messages(&self, count: usize) {
        self.shared.state.lock().subscribers.drop_any(count);
    }

    /// Breaks every node's subscription for a moment.
    pub fn kill_pubsub(&self) {
        self.shared.state.lock().subscribers.all_missed("resubscribed");
    }

    /// Loses all keys. Subscriptions stay, and nobody is told.
    pub fn flush(&self) {
        self.shared.state.lock().keys = Keys::default();
    }

    /// What a replica holds that hears nothing from now on.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.shared.state.lock().keys.clone())
    }

    /// Fails over to a stale replica: all keys go back to what they were; what has expired since is gone. Every
    /// node hears that it may have missed something.
    pub fn restore(&self, snapshot: &Snapshot) {
        let mut state = self.shared.state.lock();
        state.keys = snapshot.0.clone();
        state.subscribers.all_missed("failover");
    }

    /// Sets a conversation's counter, ahead or back.
    pub fn set_counter(&self, conversation: &ConversationId, counter: Seq) {
        self.with_slot(conversation, |slot| slot.counter = Some(counter));
    }

    /// Sets a conversation's counter and committed head to the same value, as an old but clean pair has them.
    pub fn set_marks(&self, conversation: &ConversationId, head: Seq) {
        self.with_slot(conversation, |slot| {
            (slot.counter, slot.head) = (Some(head), Some(head))
        });
    }

    /// Ends a conversation's lease at once, as if its time had passed.
    pub fn expire_lease(&self, conversation: &ConversationId) {
        self.with_slot(conversation, |slot| slot.lock = None);
    }

    /// Ends a node's liveness at once, as if its time had passed.
    pub fn expire_liveness(&self, incarnation: &Incarnation) {
        self.shared.state.lock().keys.alive.remove(incarnation);
    }

    /// The claim that holds a conversation's lease, or that it was handed to.
    pub fn lock_holder(&self, conversation: &ConversationId) -> Option<LeaseToken> {
        self.with_slot(conversation, |slot| slot.holder(Instant::now()).cloned())
    }

    /// The claims that wait for a conversation's lease, first come first.
    pub fn waiters(&self, conversation: &ConversationId) -> Vec<LeaseToken> {
        self.with_slot(conversation, |slot| slot.waiting(Instant::now()))
    }

    /// A conversation's counter and committed head.
    pub fn marks(&self, conversation: &ConversationId) -> (Option<Seq>, Option<Seq>) {
        self.with_slot(conversation, |slot| (slot.counter, slot.head))
    }

    /// A conversation's route, dead nodes included.
    pub fn route(&self, conversation: &ConversationId) -> Vec<Incarnation> {
        self.shared.state.lock().keys.route(conversation)
    }

    /// The incarnations that are alive.
    pub fn living(&self) -> Vec<Incarnation> {
        let (state, now) = (self.shared.state.lock(), Instant::now());
        state
            .keys
            .alive
            .iter()
            .filter(|(_, until)| **until > now)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// A user's entries in the session map.
    pub fn session_map(&self, user: &UserId) -> Vec<SessionRef> {
        self.shared.state.lock().keys.sessions_of(user)
    }

    /// What waits for a user, by conversation.
    pub fn queue(&self, user: &UserId) -> Vec<(ConversationId, Seq)> {
        self.shared.state.lock().keys.pending(user, Instant::now())
    }

    fn with_slot<T>(&self, conversation: &ConversationId, f: impl FnOnce(&mut Slot) -> T) -> T {
        f(self
            .shared
            .state
            .lock()
            .keys
            .slots
            .entry(conversation.clone())
            .or_default())
    }
}

impl MemoryNode {
    /// Cuts this node off, subscription included, or lets it back in; then it hears that it may have missed
    /// something.
    pub fn set_reachable(&self, reachable: bool) {
        self.inner.link.set_reachable(reachable);
        let subscribers = &mut self.inner.shared.state.lock().subscribers;
        if reachable {
            subscribers.mend(self.inner.id, "reconnected");
        } else {
            subscribers.cut(self.inner.id);
        }
    }

    /// How long this node's calls take from now on.
    pub fn set_latency(&self, latency: Latency) {
        self.inner.link.set_latency(latency);
    }

    /// The next so many calls of this node are carried out but answered as unavailable.
    pub fn lose_replies(&self, count: usize) {
        self.inner.link.lose_replies(count);
    }

    /// The next so many payloads to this node vanish without a trace.
    pub fn drop_messages(&self, count: usize) {
        self.inner
            .shared
            .state
            .lock()
            .subscribers
            .drop_for(self.inner.id, count);
    }

    /// Breaks this node's subscription; commands still work. Payloads are lost until [`MemoryNode::mend_pubsub`].
    pub fn cut_pubsub(&self) {
        self.inner.shared.state.lock().subscribers.cut(self.inner.id);
    }

    /// Ends [`MemoryNode::cut_pubsub`]: the node hears that it may have missed something.
    pub fn mend_pubsub(&self) {
        self.inner
            .shared
            .state
            .lock()
            .subscribers
            .mend(self.inner.id, "resubscribed");
    }

    /// Ends [`MemoryNode::cut_pubsub`], and the node hears nothing of it, as where only the way to it was lost.
    pub fn mend_pubsub_silently(&self) {
        self.inner
            .shared
            .state
            .lock()
            .subscribers
            .mend_silently(self.inner.id);
    }

    /// Breaks this node's subscription for a moment.
    pub fn kill_pubsub(&self) {
        self.cut_pubsub();
        self.mend_pubsub();
    }

    /// Which incarnation this node listens for.
    pub fn listening(&self) -> Option<Incarnation> {
        self.inner
            .shared
            .state
            .lock()
            .subscribers
            .listening(self.inner.id)
    }

    /// Stops this node as SIGSTOP does: what it has asked takes effect, the answers wait. So do payloads, as many
    /// as a subscription keeps.
    pub(super) fn stop(&self) {
        self.inner.link.stop();
        self.inner.shared.state.lock().subscribers.stop(self.inner.id);
    }

    /// Ends [`MemoryNode::stop`].
    pub(super) fn resume(&self) {
        self.inner.link.resume();
        self.inner.shared.state.lock().subscribers.resume(self.inner.id);
    }

    /// Kills this node: what it has asked may take effect or not, and it hears of nothing any more.
    pub(super) fn kill(&self) {
        self.inner.link.kill();
        self.inner.shared.state.lock().subscribers.remove(self.inner.id);
    }

    pub(super) fn id(&self) -> NodeId {
        self.inner.id
    }

    pub(super) fn timing(&self) -> Timing {
        self.inner.shared.timing
    }

    /// One call: `operation` happens atomically at some point of it, or not at all.
    pub(super) async fn call<T: Send>(
        &self,
        operation: impl FnOnce(&mut State, Instant) -> T + Send,
    ) -> Result<T, Unavailable> {
        self.inner
            .link
            .call(|_| operation(&mut self.inner.shared.state.lock(), Instant::now()))
            .await
    }
}

impl Drop for NodeInner {
    fn drop(&mut self) {
        self.shared.state.lock().subscribers.remove(self.id);
    }
}
