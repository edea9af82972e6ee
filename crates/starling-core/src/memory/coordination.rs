//! The coordination service as the nodes of a simulated cluster share it, and what a test does to it.

use std::sync::Arc;

use starling_protocol::{ConversationId, Seq, UserId};
use tokio::time::Instant;

use super::faults::{Latency, Link};
use crate::coordination::{Keys, LocalNode, Service, Slot, State, Timing, Way};
use crate::ports::{Incarnation, LeaseToken, SessionRef, Unavailable};

/// The simulated coordination service. Clones share it; [`MemoryCoordination::node`] makes a node's handle.
///
/// Inspection sees the state at once and is never subject to faults.
#[derive(Clone)]
pub struct MemoryCoordination {
    service: Service,
    link: Arc<Link>,
}

/// One node's handle on the simulated service.
pub type MemoryNode = LocalNode<Link>;

/// All keys as they were at one moment, to go back to.
#[derive(Clone)]
pub struct Snapshot(Keys);

impl Way for Link {
    async fn call<T: Send>(&self, operation: impl FnOnce() -> T + Send) -> Result<T, Unavailable> {
        Link::call(self, |_| operation()).await
    }
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
        Self {
            service: Service::new(timing),
            link: Arc::new(Link::new("coordination", None)),
        }
    }

    /// The handle of a new node.
    pub fn node(&self) -> MemoryNode {
        let link = Link::new("coordination", Some(Arc::clone(&self.link)));
        self.service.node(link)
    }

    fn state(&self) -> impl std::ops::DerefMut<Target = State> {
        self.service.state()
    }

    /// Takes the service away from all nodes, or gives it back; then each hears that it may have missed something.
    pub fn set_reachable(&self, reachable: bool) {
        self.link.set_reachable(reachable);
        if reachable {
            self.state().subscribers.all_missed("reconnected");
        }
    }

    /// How long calls of all nodes take from now on.
    pub fn set_latency(&self, latency: Latency) {
        self.link.set_latency(latency);
    }

    /// The next so many calls, of whichever node, are carried out but answered as unavailable.
    pub fn lose_replies(&self, count: usize) {
        self.link.lose_replies(count);
    }

    /// The next so many payloads, to whichever node, vanish without a trace.
    pub fn drop_messages(&self, count: usize) {
        self.state().subscribers.drop_any(count);
    }

    /// Breaks every node's subscription for a moment.
    pub fn kill_pubsub(&self) {
        self.state().subscribers.all_missed("resubscribed");
    }

    /// Loses all keys. Subscriptions stay, and nobody is told.
    pub fn flush(&self) {
        self.state().keys = Keys::default();
    }

    /// What a replica holds that hears nothing from now on.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.state().keys.clone())
    }

    /// Fails over to a stale replica: all keys go back to what they were; what has expired since is gone. Every
    /// node hears that it may have missed something.
    pub fn restore(&self, snapshot: &Snapshot) {
        let mut state = self.state();
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
        self.state().keys.end_liveness(incarnation);
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
        self.state().keys.route(conversation)
    }

    /// The incarnations that are alive.
    pub fn living(&self) -> Vec<Incarnation> {
        self.state().keys.living(Instant::now())
    }

    /// A user's entries in the session map.
    pub fn session_map(&self, user: &UserId) -> Vec<SessionRef> {
        self.state().keys.sessions_of(user)
    }

    /// What waits for a user, by conversation.
    pub fn queue(&self, user: &UserId) -> Vec<(ConversationId, Seq)> {
        self.state().keys.pending(user, Instant::now())
    }

    fn with_slot<T>(&self, conversation: &ConversationId, f: impl FnOnce(&mut Slot) -> T) -> T {
        f(self.state().keys.slot(conversation))
    }
}

impl LocalNode<Link> {
    /// Cuts this node off, subscription included, or lets it back in; then it hears that it may have missed
    /// something.
    pub fn set_reachable(&self, reachable: bool) {
        self.way().set_reachable(reachable);
        let subscribers = &mut self.service().state().subscribers;
        if reachable {
            subscribers.mend(self.id(), "reconnected");
        } else {
            subscribers.cut(self.id());
        }
    }

    /// How long this node's calls take from now on.
    pub fn set_latency(&self, latency: Latency) {
        self.way().set_latency(latency);
    }

    /// The next so many calls of this node are carried out but answered as unavailable.
    pub fn lose_replies(&self, count: usize) {
        self.way().lose_replies(count);
    }

    /// The next so many payloads to this node vanish without a trace.
    pub fn drop_messages(&self, count: usize) {
        self.service().state().subscribers.drop_for(self.id(), count);
    }

    /// Breaks this node's subscription; commands still work. Payloads are lost until [`MemoryNode::mend_pubsub`].
    pub fn cut_pubsub(&self) {
        self.service().state().subscribers.cut(self.id());
    }

    /// Ends [`MemoryNode::cut_pubsub`]: the node hears that it may have missed something.
    pub fn mend_pubsub(&self) {
        self.service().state().subscribers.mend(self.id(), "resubscribed");
    }

    /// Ends [`MemoryNode::cut_pubsub`], and the node hears nothing of it, as where only the way to it was lost.
    pub fn mend_pubsub_silently(&self) {
        self.service().state().subscribers.mend_silently(self.id());
    }

    /// Breaks this node's subscription for a moment.
    pub fn kill_pubsub(&self) {
        self.cut_pubsub();
        self.mend_pubsub();
    }

    /// Which incarnation this node listens for.
    pub fn listening(&self) -> Option<Incarnation> {
        self.service().state().subscribers.listening(self.id())
    }

    /// Stops this node as SIGSTOP does: what it has asked takes effect, the answers wait. So do payloads, as many
    /// as a subscription keeps.
    pub(super) fn stop(&self) {
        self.way().stop();
        self.service().state().subscribers.stop(self.id());
    }

    /// Ends [`MemoryNode::stop`].
    pub(super) fn resume(&self) {
        self.way().resume();
        self.service().state().subscribers.resume(self.id());
    }

    /// Kills this node: what it has asked may take effect or not, and it hears of nothing any more.
    pub(super) fn kill(&self) {
        self.way().kill();
        self.service().state().subscribers.remove(self.id());
    }
}
