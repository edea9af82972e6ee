//! A batch: judged, numbered, inserted, and what follows (`Actor::build`, `stored`, `in_doubt`).

use crate::Defect;
use crate::config::Seq;
use crate::list::List;
use crate::state::{BATCH, Held, Lease, Outcome, Phase, QUEUE, Queued};
use crate::store::Flight;
use crate::turn::queue::Verdict;
use crate::world::{Reply, World};

impl World<'_> {
    /// Builds a batch on the held head and sends its insert off.
    pub(super) fn append(&mut self, node: usize) {
        let Some(held) = self.node(node).held else {
            return self.end_turn(node);
        };
        let counted = self.node(node).counted;
        let base = if self.config.lacks(Defect::CounterTrusted) && counted > 0 {
            counted + 1
        } else {
            held.mark + 1
        };
        let (batch, state) = self.build(node, held, base);
        if batch.is_empty() {
            return self.end_turn(node);
        }
        let flight = Flight {
            owner: node as u8,
            base,
            ops: batch.iter().map(|queued| queued.op).collect(),
            ..Flight::default()
        };
        self.state.store.flights.push(flight);
        self.state.store.tidy(self.config);
        let actor = self.node_mut(node);
        actor.held = Some(state);
        actor.base = base;
        actor.batch = batch;
        actor.phase = Phase::Insert;
    }

    fn build(&mut self, node: usize, held: Held, base: Seq) -> (List<Queued, BATCH>, Held) {
        let mut state = held;
        let mut batch: List<Queued, BATCH> = List::default();
        let mut queue = self.take_queue(node);
        let mut again: List<Queued, QUEUE> = List::default();
        let mut has_change = false;
        let mut undecided = false;
        while !queue.is_empty() && batch.len() < self.config.max_batch {
            let mut queued = queue.as_slice()[0];
            if self.is_overtaking(&queued) {
                queue.remove(0);
                self.answer_unknown(queued, self.elsewhere(node));
                continue;
            }
            let mut verdict = self.judge(queued.op, state);
            if self.config.lacks(Defect::MembershipAtEnqueue) && verdict == Verdict::Refuse {
                verdict = Verdict::Message;
            }
            let appends = matches!(verdict, Verdict::Message | Verdict::Change);
            if has_change && !appends {
                break;
            }
            if verdict == Verdict::Message && self.outlived_its_membership(&queued, state) {
                undecided = true;
                break;
            }
            if !appends {
                if self.is_absent_for_good(&queued, held) {
                    let outcome = match verdict {
                        Verdict::Unchanged => Outcome::Unchanged,
                        _ => Outcome::Refused(held.mark),
                    };
                    self.answer(queued, outcome);
                } else if queued.tried <= held.mark {
                    queued.look_up = true;
                    again.push(queued);
                } else {
                    undecided = true;
                    break;
                }
                queue.remove(0);
                continue;
            }
            queue.remove(0);
            let seq = base + batch.len() as Seq;
            state.mark = seq;
            if let Some(bob) = self.config.membership(queued.op) {
                state.since = if bob { seq } else { 0 };
                has_change = true;
            }
            queued.tried = queued.tried.max(seq);
            batch.push(queued);
        }
        self.node_mut(node).queue = again.iter().chain(queue.iter()).copied().collect();
        if undecided {
            self.give_up(node, again.len(), self.elsewhere(node));
        }
        (batch, state)
    }

    /// The insert's answer comes: stored, or collided.
    pub(super) fn insert_answered(&mut self, node: usize) {
        let flights = &mut self.state.store.flights;
        let Some(index) = flights
            .iter()
            .position(|flight| usize::from(flight.owner) == node)
        else {
            return;
        };
        let flight = flights.remove(index);
        if flight.collided {
            return self.in_doubt(node, usize::from(flight.landed));
        }
        let actor = self.node(node);
        if actor
            .batch
            .iter()
            .any(|queued| self.config.membership(queued.op).is_some())
        {
            self.node_mut(node).phase = Phase::Apply;
        } else {
            self.stored(node);
        }
    }

    pub(crate) fn insert_unanswered(&mut self, node: usize) {
        self.state.store.orphan(self.config, node);
        self.in_doubt(node, 0);
    }

    /// The effects of what is stored.
    pub(crate) fn apply(&mut self, node: usize, reply: Reply) {
        let actor = self.node(node);
        let changes: Vec<(Seq, bool)> = (actor.base..)
            .zip(actor.batch.iter())
            .filter_map(|(seq, queued)| Some((seq, self.config.membership(queued.op)?)))
            .collect();
        if reply.is_done() {
            self.state.store.apply(self.config, &changes);
        }
        self.node_mut(node).suspect |= reply != Reply::Fine;
        self.stored(node);
    }

    /// Delivered, answered, to be committed.
    fn stored(&mut self, node: usize) {
        let head = self.state.store.head();
        let others_count = self.config.lacks(Defect::OthersTakenAsApplied);
        let actor = self.node_mut(node);
        let batch = std::mem::take(&mut actor.batch);
        let first = actor.base;
        let last = first + batch.len() as Seq - 1;
        if !actor.suspect && actor.applied + 1 == first {
            actor.applied = last;
        } else if !others_count {
            // What stands between is not this node's, and may not be applied.
            actor.suspect = true;
        }
        let with_gap = actor.hub + 1 < first;
        actor.hub = actor.hub.max(if with_gap { head.max(last) } else { last });
        actor.phase = Phase::Commit;
        for (seq, queued) in (first..).zip(batch.iter()) {
            self.answer(*queued, Outcome::Stored(seq));
        }
    }

    /// The first `stored` of a batch are stored, of the others nobody knows.
    fn in_doubt(&mut self, node: usize, stored: usize) {
        let actor = self.node_mut(node);
        actor.held = None;
        actor.suspect = true;
        if actor.lease == Lease::Reserved {
            actor.lease = Lease::Held;
        }
        actor.phase = Phase::Idle;
        let first = std::mem::take(&mut actor.base);
        let batch = std::mem::take(&mut actor.batch);
        let rest = batch.iter().skip(stored).map(|queued| Queued {
            look_up: true,
            ..*queued
        });
        actor.queue = rest.chain(actor.queue.iter().copied()).collect();
        for (seq, queued) in (first..).zip(batch.iter().take(stored)) {
            self.answer(*queued, Outcome::Stored(seq));
        }
    }
}
