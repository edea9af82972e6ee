//! The lease: having it, and what becomes of it with a commit (`actor/lease.rs`).

use crate::Defect;
use crate::client::next_to_send;
use crate::redis::Lock;
use crate::state::{Hint, Lease, Phase};
use crate::world::{Reply, World};

impl World<'_> {
    /// `acquire`, once the lock is free, its own, or not asked for.
    pub(crate) fn acquire(&mut self, node: usize, reply: Reply) {
        let actor = self.node_mut(node);
        actor.counted = 0;
        if actor.lease == Lease::Reserved {
            actor.lease = Lease::Held;
            return self.be_at_head(node, Hint::Kept);
        }
        let alone = actor.alone;
        let want = actor.queue.len();
        if !alone && reply == Reply::Fine {
            let marks = self.state.redis.reserve(Lock::Node(node as u8), want);
            let hint = match marks {
                Some(marks) if marks.head == Some(marks.counter) => Hint::Clean(marks.counter),
                _ => Hint::Unclean,
            };
            self.node_mut(node).lease = Lease::Held;
            if self.config.lacks(Defect::CounterTrusted) {
                self.node_mut(node).counted = marks.map_or(0, |marks| marks.counter);
            }
            return self.be_at_head(node, hint);
        }
        if !alone && reply.is_done() {
            self.state.redis.reserve(Lock::Nobody, want);
        }
        self.lose_redis(node);
        self.node_mut(node).alone = true;
        self.be_at_head(node, Hint::None);
    }

    /// The node's claim on the lease is over, whatever Redis says.
    fn lose_redis(&mut self, node: usize) {
        self.state.redis.disown(node);
        self.node_mut(node).lease = Lease::None;
    }

    pub(crate) fn abandon_lease(&mut self, node: usize) {
        self.state.redis.release(node);
        self.node_mut(node).lease = Lease::None;
    }

    /// Whether there is more to append, here or in the mailbox.
    pub(crate) fn may_keep(&self, node: usize) -> bool {
        let mail = (0..self.state.clients.len()).any(|client| {
            usize::from(self.state.clients[client].node) == node
                && next_to_send(self.config, &self.state, client).is_some()
        });
        mail || !self.node(node).queue.is_empty()
    }

    /// Whether a commit cannot but keep the lease: there is more to append, and nobody waits.
    pub(crate) fn must_keep(&self, node: usize) -> bool {
        let waits =
            (0..self.config.nodes).any(|other| other != node && self.node(other).phase == Phase::Acquire);
        !self.node(node).queue.is_empty() && !waits
    }

    /// `commit`: publishes what is stored, sets the marks if the lease is held, and keeps or releases it.
    pub(crate) fn commit(&mut self, node: usize, keep: bool, reply: Reply, heard: bool) {
        let actor = self.node_mut(node);
        actor.phase = Phase::Idle;
        let first = std::mem::take(&mut actor.base);
        let Some(head) = actor.held.map(|held| held.mark) else {
            return;
        };
        if actor.alone {
            actor.suspect = true;
            return self.lose_redis(node);
        }
        let (suspect, lease) = (actor.suspect, actor.lease);
        // While something may be left undone, the marks stay as a taker-over finds them after a crash.
        let publishes_only =
            lease == Lease::None || (suspect && !self.config.lacks(Defect::MarksWhileSuspect));
        let mut kept = false;
        if reply.is_done() {
            if !publishes_only && self.state.redis.is_held_by(node) {
                self.state.redis.commit(head);
                kept = keep;
                if keep {
                    let want = self.node(node).queue.len().max(1);
                    self.state.redis.advance(want);
                } else {
                    self.state.redis.lock = Lock::Free;
                }
            }
            if heard {
                self.publish(node, first, head);
            }
        }
        if reply != Reply::Fine {
            self.lose_redis(node);
            let actor = self.node_mut(node);
            (actor.alone, actor.suspect) = (true, true);
            return;
        }
        if kept {
            self.node_mut(node).lease = Lease::Reserved;
        } else if !publishes_only {
            self.lose_redis(node);
        }
        if !suspect {
            let actor = self.node_mut(node);
            actor.mark = actor.mark.max(head);
        }
    }
}
