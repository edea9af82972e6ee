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
            Ask::Message if op.sender == BOB && !held.bob => Verdict::Refuse,
            Ask::Message => Verdict::Message,
            Ask::Remove if held.bob => Verdict::Change,
            Ask::Add if !held.bob => Verdict::Change,
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
        if self.may_proceed(node) {
            self.node_mut(node).phase = Phase::Acquire;
            return;
        }
        let unseen: Vec<bool> = self
            .node(node)
            .queue
            .iter()
            .map(|queued| self.is_unseen(queued, held))
            .collect();
        if unseen.contains(&true) {
            for (queued, unseen) in self.node_mut(node).queue.as_mut_slice().iter_mut().zip(unseen) {
                queued.look_up |= unseen;
            }
            self.node_mut(node).phase = Phase::LookAgain;
            return;
        }
        self.refuse(node, held);
    }

    pub(super) fn look_again(&mut self, node: usize) {
        match (self.look_up(node), self.node(node).held) {
            (Lookup::Done | Lookup::NotNeeded, Some(held)) => self.refuse(node, held),
            _ => self.node_mut(node).phase = Phase::Idle,
        }
    }

    fn refuse(&mut self, node: usize, held: Held) {
        let mut rest = List::default();
        let mut changes_ahead = false;
        for queued in self.take_queue(node).iter().copied() {
            if changes_ahead || queued.tried > 0 || self.is_unseen(&queued, held) {
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

    /// Whether an earlier try of it, by whichever node, may stand where its lookup did not look: in a place up
    /// to the change of membership that may refuse it now. After that change no node has tried it.
    fn is_unseen(&self, queued: &Queued, held: Held) -> bool {
        queued.retried
            && queued.absent_as_of < self.state.store.membership(self.config, held.mark)
            && !self.config.lacks(Defect::RetryRefusedUnseen)
    }

    /// `Operation::is_absent_for_good`.
    pub(super) fn is_absent_for_good(&self, queued: &Queued, held: Held) -> bool {
        queued.tried <= queued.absent_as_of && !self.is_unseen(queued, held)
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
