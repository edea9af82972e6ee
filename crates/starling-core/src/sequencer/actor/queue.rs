//! What is queued: looked up, refused early, or given up.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::{Actor, give_up_one};
use crate::chance::HashMap;
use crate::ports::Unavailable;
use crate::sequencer::batch::MAX_BATCH;
use crate::sequencer::operation::{Operation, Outcome};
use crate::sequencer::rules::{Verdict, judge};
use crate::{defect, planted};

impl Actor {
    /// Answers what is past its deadline, and what came behind it by the same connection (I5).
    pub(super) fn give_up_late(&mut self) {
        let now = Instant::now();
        while let Some(late) = self.queue.iter().position(|operation| operation.deadline <= now) {
            self.give_up(late);
        }
    }

    pub(super) fn give_up(&mut self, index: usize) {
        let Some(first) = self.queue.remove(index) else {
            return;
        };
        metrics::counter!("starling_operations_given_up_total").increment(1);
        let origin = first.origin.clone();
        give_up_one(first);
        let (behind, rest): (VecDeque<_>, _) = std::mem::take(&mut self.queue)
            .into_iter()
            .enumerate()
            .partition(|(at, operation)| *at >= index && operation.same_origin(&origin));
        self.queue = rest.into_iter().map(|(_, operation)| operation).collect();
        for (_, operation) in behind {
            give_up_one(operation);
        }
    }

    /// Answers what turns out to be stored already.
    pub(super) async fn look_up(&mut self) -> Result<(), Unavailable> {
        let mut keys: Vec<_> = self
            .queue
            .iter()
            .filter(|operation| operation.look_up && !planted(defect::NO_IDEMPOTENCY))
            .map(Operation::key)
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        // What is known to be taken *before* the lookup: only slots up to here prove an absence.
        let known = self.state.as_ref().map_or(0, |state| state.mark.seq);
        // A new primary may not see all of that yet: the head, looked up along, shows whether it does.
        let head = self.state.as_ref().and_then(|state| state.head.as_deref());
        let head = head.and_then(|head| Some((head.sender.clone()?, head.client_id.clone()?)));
        keys.extend(head.iter().cloned());
        let found = self.shared.ports.log.find(&self.id, &keys).await?;
        if head.is_some() && found.iter().all(|entry| entry.seq != known) {
            return Err(Unavailable::new("store", "its reads lag behind"));
        }
        for entry in &found {
            self.recent.note(entry);
        }
        let mut rest = VecDeque::with_capacity(self.queue.len());
        for mut operation in std::mem::take(&mut self.queue) {
            if operation.look_up {
                if let Some(entry) = self.recent.find(&operation.key()) {
                    operation.answer(&Ok(Outcome::Stored(entry)));
                    continue;
                }
                operation.look_up = false;
                operation.absent_as_of = known;
            }
            rest.push_back(operation);
        }
        self.queue = rest;
        Ok(())
    }

    /// Reads the messages that operations are about, as they are at the head that the state is at.
    pub(super) async fn look_up_targets(&mut self) -> Result<(), Unavailable> {
        let head = self.state.as_ref().map_or(0, |state| state.mark.seq);
        let next = self.queue.iter().take(MAX_BATCH);
        let mut seqs: Vec<_> = next.filter_map(|operation| operation.change.target()).collect();
        if seqs.is_empty() {
            return Ok(());
        }
        // A new primary may not see all that is known to be stored: the head shows whether it does.
        seqs.push(head);
        seqs.retain(|seq| (1..=head).contains(seq));
        seqs.sort_unstable();
        seqs.dedup();
        let places: Vec<_> = seqs.into_iter().map(|seq| (self.id.clone(), seq)).collect();
        let found = self.shared.ports.log.at(&places).await?;
        if places.len() > found.len() {
            return Err(Unavailable::new("store", "its reads lag behind"));
        }
        let found: HashMap<_, _> = found.into_iter().map(|entry| (entry.seq, entry)).collect();
        for operation in self.queue.iter_mut().take(MAX_BATCH) {
            if let Some(target) = operation.change.target() {
                operation.target = found.get(&target).cloned();
                operation.is_target_known = true;
            }
        }
        Ok(())
    }

    /// Refuses, without taking the lease, what may not be at the log's present head. Nothing that can be
    /// refused takes a seq, and a stranger's sends do not make a node take leases.
    pub(super) async fn refuse_early(&mut self) -> Result<(), Unavailable> {
        if self.state.is_none() {
            self.read_head().await?;
        }
        self.follow_deliveries();
        self.note_memberships();
        // What was looked up for an earlier turn is old.
        for operation in &mut self.queue {
            (operation.target, operation.is_target_known) = (None, false);
        }
        if self.may_proceed() {
            return Ok(());
        }
        // The state that says no may be old: ask the log.
        self.read_head().await?;
        self.note_memberships();
        let Some(state) = &self.state else { return Ok(()) };
        let mut rest = VecDeque::with_capacity(self.queue.len());
        let mut changes_ahead = false;
        for operation in std::mem::take(&mut self.queue) {
            if changes_ahead || operation.again || operation.tried.is_some() {
                rest.push_back(operation);
                continue;
            }
            match judge(&operation, state) {
                Verdict::Refuse(error) => operation.answer(&Err(error)),
                Verdict::Unchanged => operation.answer(&Ok(Outcome::Unchanged(self.id.clone(), state.mark))),
                Verdict::Message => rest.push_back(operation),
                Verdict::Change(_) => {
                    changes_ahead = true;
                    rest.push_back(operation);
                }
            }
        }
        self.queue = rest;
        Ok(())
    }

    /// Notes under which membership what is new in the queue is judged. What came by a connection that is over is
    /// given up instead: sent again elsewhere it may have been refused under an earlier one.
    fn note_memberships(&mut self) {
        let Some(state) = &self.state else { return };
        if self.queue.iter().all(|operation| operation.under.is_some()) {
            return;
        }
        for mut operation in std::mem::take(&mut self.queue) {
            if operation.under.is_none() {
                if operation.is_orphaned() {
                    give_up_one(operation);
                    continue;
                }
                operation.under = Some(state.since(&operation.sender));
            }
            self.queue.push_back(operation);
        }
    }

    /// Whether all that is queued may be appended as far as this node knows.
    pub(super) fn may_proceed(&self) -> bool {
        let Some(state) = &self.state else { return false };
        for operation in &self.queue {
            match judge(operation, state) {
                // Those behind it have to be judged after it.
                Verdict::Change(_) => return true,
                Verdict::Message => {}
                Verdict::Refuse(_) | Verdict::Unchanged => return false,
            }
        }
        true
    }
}
