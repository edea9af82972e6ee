//! What is queued: looked up, refused early, or given up (`actor/queue.rs`, and the rules).

use crate::Defect;
use crate::config::{Ask, BOB, OpId};
use crate::list::List;
use crate::state::{Held, Outcome, Phase, QUEUE, Queued};
use crate::world::World;

/// What becomes of an operation at a state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Message,
    Change,
    Unchanged,
    Refuse,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    NotNeeded,
    Done,
    /// The store cannot say.
    Failed,
}

impl World<'_> {
    pub(super) fn judge(&self, op: OpId, held: Held) -> Verdict {
        let op = self.config.op(op);
        match op.ask {
            Ask::Message if op.sender == BOB && held.since == 0 => Verdict::Refuse,
            Ask::Message => Verdict::Message,
            Ask::Remove if held.since > 0 => Verdict::Change,
            Ask::Add if held.since == 0 => Verdict::Change,
            Ask::Create | Ask::Remove | Ask::Add => Verdict::Unchanged,
        }
    }

    /// Answers what turns out to be stored already.
    pub(super) fn look_up(&mut self, node: usize) -> Lookup {
        if !self.node(node).queue.iter().any(|queued| queued.look_up) {
            return Lookup::NotNeeded;
        }
        let known = self.node(node).held.map_or(0, |held| held.mark);
        if self.state.store.seen < known && !self.config.lacks(Defect::ShortReads) {
            // What is known to be there is not found: absence would prove nothing.
            return Lookup::Failed;
        }
        let mut rest = List::default();
        for mut queued in self.take_queue(node).iter().copied() {
            if queued.look_up {
                if let Some(seq) = self.state.store.find(queued.op) {
                    self.answer(queued, Outcome::Stored(seq));
                    continue;
                }
                queued.look_up = false;
                queued.absent_as_of = known;
            }
            rest.push(queued);
        }
        self.node_mut(node).queue = rest;
        Lookup::Done
    }

    pub(super) fn may_proceed(&self, node: usize) -> bool {
        let actor = self.node(node);
        let Some(held) = actor.held else { return false };
        for queued in actor.queue.iter() {
            match self.judge(queued.op, held) {
                Verdict::Change => return true,
                Verdict::Message => {}
                Verdict::Refuse | Verdict::Unchanged => return false,
            }
        }
        true
    }

    /// The head is read before anything is refused.
    pub(super) fn refuse_early(&mut self, node: usize) {
        let Some(held) = self.read_head(node) else { return };
        self.note_memberships(node);
        if self.node(node).queue.is_empty() {
            return self.end_turn(node);
        }
        if self.may_proceed(node) {
            self.node_mut(node).phase = Phase::Acquire;
            return;
        }
        self.refuse(node, held);
    }

    fn refuse(&mut self, node: usize, held: Held) {
        let mut rest = List::default();
        let mut changes_ahead = false;
        for queued in self.take_queue(node).iter().copied() {
            let again = queued.retried && !self.config.lacks(Defect::RetryRefusedUnseen);
            if changes_ahead || queued.tried > 0 || again {
                rest.push(queued);
                continue;
            }
            match self.judge(queued.op, held) {
                Verdict::Refuse => self.answer(queued, Outcome::Refused(held.mark)),
                Verdict::Unchanged => self.answer(queued, Outcome::Unchanged),
                Verdict::Message => rest.push(queued),
                Verdict::Change => {
                    changes_ahead = true;
                    rest.push(queued);
                }
            }
        }
        self.node_mut(node).queue = rest;
        if rest.is_empty() {
            self.end_turn(node);
        } else {
            self.node_mut(node).phase = Phase::Acquire;
        }
    }

    /// `Operation::is_absent_for_good`. Where other nodes may have tried it, that is every place up to the head.
    pub(super) fn is_absent_for_good(&self, queued: &Queued, held: Held) -> bool {
        let again = queued.retried && !self.config.lacks(Defect::RetryRefusedUnseen);
        let tried = queued.tried.max(if again { held.mark } else { 0 });
        tried <= queued.absent_as_of
    }

    /// `note_memberships`: under which membership what is new in the queue is judged. What came by a connection that
    /// is over is given up instead.
    pub(super) fn note_memberships(&mut self, node: usize) {
        let Some(held) = self.node(node).held else { return };
        if self.node(node).queue.iter().all(|queued| queued.under.is_some()) {
            return;
        }
        let mut rest = List::default();
        for mut queued in self.take_queue(node).iter().copied() {
            if queued.under.is_none() {
                if self.is_orphaned(&queued) {
                    self.answer_unknown(queued, self.elsewhere(node));
                    continue;
                }
                let is_bob = self.config.op(queued.op).sender == BOB;
                queued.under = Some(if is_bob { held.since } else { 1 });
            }
            rest.push(queued);
        }
        self.node_mut(node).queue = rest;
    }

    /// Whether its sender has become a member since it was first judged: sent again elsewhere, it may have been
    /// refused meanwhile.
    pub(super) fn outlived_its_membership(&self, queued: &Queued, state: Held) -> bool {
        let is_bob = self.config.op(queued.op).sender == BOB;
        is_bob && queued.under.is_some_and(|under| under != state.since)
    }

    /// An operation's time is up, or nobody can say what becomes of it: it is given up, and what came behind it
    /// by the same connection.
    pub(super) fn give_up(&mut self, node: usize, index: usize, to: usize) {
        let queue = self.take_queue(node);
        let first = queue.as_slice()[index];
        let client = self.config.op(first.op).sender;
        let is_behind = |(at, queued): &(usize, &Queued)| {
            *at >= index && self.config.op(queued.op).sender == client && queued.origin == first.origin
        };
        let (gone, kept): (Vec<_>, Vec<_>) = queue.iter().enumerate().partition(is_behind);
        self.node_mut(node).queue = kept.into_iter().map(|(_, queued)| *queued).collect();
        for (_, queued) in gone {
            self.answer_unknown(*queued, to);
        }
    }

    pub(crate) fn give_up_client(&mut self, node: usize, client: usize, to: usize) {
        let mut queue = self.node(node).queue.iter();
        let first = queue.position(|queued| self.config.op(queued.op).sender == client);
        if let Some(index) = first {
            self.give_up(node, index, to);
        }
        if self.node(node).queue.is_empty() {
            self.end_turn(node);
        }
    }

    /// Where a client goes that is cut off in the middle of a turn.
    pub(super) fn elsewhere(&self, node: usize) -> usize {
        (node + 1) % self.config.nodes
    }

    pub(super) fn take_queue(&mut self, node: usize) -> List<Queued, QUEUE> {
        std::mem::take(&mut self.node_mut(node).queue)
    }
}
