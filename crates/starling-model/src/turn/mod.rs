//! A node's actor: one turn, call by call (`starling_core::sequencer::actor`).

mod batch;
mod head;
mod lease;
mod queue;

use queue::Lookup;

use crate::state::Phase;
use crate::world::{Reply, World};

impl World<'_> {
    /// The actor's next call is answered, and it goes on to the one after.
    pub(crate) fn step(&mut self, node: usize) {
        match self.node(node).phase {
            Phase::Idle => self.begin(node),
            Phase::Refuse => self.refuse_early(node),
            Phase::Acquire => self.acquire(node, Reply::Fine),
            Phase::Refresh(hint) => self.refresh(node, hint),
            Phase::ReApply { .. } => self.reapply(node, Reply::Fine),
            Phase::Announce { .. } => self.announce(node, Reply::Fine),
            Phase::Insert => self.insert_answered(node),
            Phase::Apply => self.apply(node, Reply::Fine),
            Phase::Commit => {
                let keep = self.must_keep(node);
                self.commit(node, keep, Reply::Fine, true);
            }
        }
    }

    /// `Actor::turn`, up to its first call.
    fn begin(&mut self, node: usize) {
        let looked_up = self.look_up(node);
        if looked_up == Lookup::Failed {
            return;
        }
        let actor = self.node(node);
        if actor.queue.is_empty() {
            return if actor.suspect {
                self.settle(node)
            } else {
                self.end_turn(node)
            };
        }
        if actor.held.is_some() {
            self.follow(node);
            self.note_memberships(node);
            if self.node(node).queue.is_empty() {
                return self.end_turn(node);
            }
            if self.may_proceed(node) {
                self.node_mut(node).phase = Phase::Acquire;
                return;
            }
        }
        self.node_mut(node).phase = Phase::Refuse;
        if looked_up == Lookup::NotNeeded {
            self.refuse_early(node);
        }
    }

    /// Gives the lease back: nothing is left to append, or another look is needed.
    fn end_turn(&mut self, node: usize) {
        self.abandon_lease(node);
        self.node_mut(node).phase = Phase::Idle;
    }
}
