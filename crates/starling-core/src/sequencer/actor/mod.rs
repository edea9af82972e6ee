//! One conversation's actor on one node: drains what is queued, appends it in batches, answers.
//!
//! A turn: look up what may be stored already → refuse what may not be → lease and reserve → be at the head →
//! judge, number, insert → apply, deliver, answer → commit, publish, release. Whatever goes wrong leads back
//! to the start of a turn with the operations in their order, and to re-reading the head: no step trusts what
//! an earlier, failed one believed.

mod head;
mod lease;
mod queue;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use starling_protocol::{Body, ConversationId, Entry, Error, ErrorCode, Seq};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};

use crate::chance::HashSet;
use crate::fail_points::window;
use crate::node_message::NodeMessage;
use crate::ports::{LeaseToken, Unavailable};
use crate::sequencer::batch::{Batch, MAX_BATCH, Recent};
use crate::sequencer::effects::effects;
use crate::sequencer::operation::{Change, Operation, Outcome};
use crate::sequencer::rules::{Verdict, judge};
use crate::sequencer::state::State;
use crate::sequencer::writer::Written;
use crate::sequencer::{Address, MAILBOX, Mail};
use crate::shared::Shared;
use crate::time::{jittered, unix_millis};
use crate::{defect, planted};

/// How far a gap in the actor's knowledge is closed by reading entries; beyond it the state is read anew.
const FOLD_AT_MOST: Seq = 1_000;

struct Actor {
    id: ConversationId,
    shared: Arc<Shared>,
    mail: mpsc::Receiver<Mail>,
    granted: Arc<Notify>,
    queue: VecDeque<Operation>,
    recent: Recent,
    /// `None` whenever it is in doubt.
    state: Option<State>,
    lease: Option<Lease>,
    /// Something stored may not be applied or announced.
    suspect: bool,
    /// Up to here all is known to be applied to the directory; a lower bound.
    applied: Seq,
    /// Failed turns in a row.
    failures: u32,
    /// Collided inserts in a row.
    collisions: u32,
}

struct Lease {
    token: LeaseToken,
    since: Instant,
    /// Reserved by the last commit, until this time.
    reserved_until: Option<Instant>,
}

/// What a commit makes known.
struct Announced {
    payload: Bytes,
    entries: Vec<Bytes>,
    takes_back: bool,
}

impl Announced {
    fn batch(batch: &[Arc<Entry>]) -> Self {
        let (payload, entries) = NodeMessage::entries_in_parts(batch);
        Self {
            payload,
            entries,
            takes_back: batch
                .iter()
                .any(|entry| matches!(entry.body, Body::Deleted { .. } | Body::Dissolved {})),
        }
    }

    fn message(message: &NodeMessage) -> Self {
        Self {
            payload: message.encode(),
            entries: Vec::new(),
            takes_back: false,
        }
    }
}

/// What coordination says about the head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    /// The lease was kept since our own last batch: nobody else can have written cleanly.
    Kept,
    /// The marks that a predecessor left.
    Marks { counter: Option<Seq>, head: Option<Seq> },
    /// No lease: coordination is unreachable.
    None,
}

pub(super) fn spawn(shared: Arc<Shared>, id: ConversationId) -> Address {
    let (sender, mail) = mpsc::channel(MAILBOX);
    let granted = Arc::new(Notify::new());
    let actor = Actor {
        id,
        shared,
        mail,
        granted: granted.clone(),
        queue: VecDeque::new(),
        recent: Recent::new(),
        state: None,
        lease: None,
        suspect: false,
        applied: 0,
        failures: 0,
        collisions: 0,
    };
    tokio::spawn(actor.run());
    Address {
        mail: sender,
        granted,
    }
}

impl Actor {
    async fn run(mut self) {
        loop {
            if self.queue.is_empty() && !self.suspect {
                match timeout(self.shared.settings.actor_idle, self.mail.recv()).await {
                    Ok(Some(mail)) => self.accept(mail),
                    Ok(None) => return,
                    Err(_) if self.shared.sequencer.retire(&self.id, &self.mail) => return,
                    Err(_) => {}
                }
            }
            while self.queue.len() < MAX_BATCH {
                match self.mail.try_recv() {
                    Ok(mail) => self.accept(mail),
                    Err(_) => break,
                }
            }
            match self.turn().await {
                Ok(()) => self.failures = 0,
                Err(unavailable) => {
                    tracing::debug!(conversation = %self.id, %unavailable, "turn failed");
                    metrics::counter!("starling_turns_failed_total").increment(1);
                    self.failures += 1;
                    self.pause().await;
                }
            }
        }
    }

    /// Jittered back-off between failed turns, 10 ms to 500 ms.
    async fn pause(&self) {
        let base = Duration::from_millis(10 << self.failures.min(6));
        sleep(jittered(base.min(Duration::from_millis(500)))).await;
    }

    fn accept(&mut self, mail: Mail) {
        let operation = match mail {
            Mail::Recover => {
                self.suspect = true;
                return;
            }
            Mail::Operation(operation) => *operation,
        };
        let key = operation.key();
        if let Some(entry) = self.recent.find(&key) {
            return operation.answer(&Ok(Outcome::Stored(entry)));
        }
        match self
            .queue
            .iter_mut()
            .find(|queued| queued.client_id == operation.client_id && queued.sender == operation.sender)
        {
            Some(queued) => {
                queued.again |= operation.again;
                queued.look_up |= operation.look_up;
                queued.answers.extend(operation.answers);
            }
            None => self.queue.push_back(operation),
        }
    }

    async fn turn(&mut self) -> Result<(), Unavailable> {
        self.give_up_late();
        self.look_up().await?;
        if self.suspect && self.queue.is_empty() {
            return self.settle().await;
        }
        self.refuse_early().await?;
        if self.queue.is_empty() {
            self.abandon_lease().await;
            return Ok(());
        }
        let Some(hint) = self.acquire().await else {
            return Ok(());
        };
        window("after_lease");
        self.refresh(hint).await?;
        window("after_reserve");
        self.look_up_targets().await?;
        let batch = self.build();
        if batch.entries.is_empty() {
            // Requeued operations of this kind need another look; the others are answered.
            self.abandon_lease().await;
            return Ok(());
        }
        // The record comes before the log, so that the rotation over all conversations finds even one whose
        // node died right after its first entry.
        if batch.entries[0].seq == 1
            && let Err(unavailable) = self
                .shared
                .ports
                .directory
                .apply(&effects(&batch.entries)[..1])
                .await
        {
            self.in_doubt(batch, 0);
            return Err(unavailable);
        }
        window("before_insert");
        match self.shared.writer.insert(batch.entries.clone()).await {
            Written::Stored => {
                window("after_insert");
                self.stored(batch).await;
            }
            Written::Collided { stored } => {
                tracing::debug!(conversation = %self.id, stored, "collided");
                metrics::counter!("starling_fenced_batches_total").increment(1);
                self.in_doubt(batch, stored);
                // Without a lease, make room for whoever wrote this. With one, a second collision means that the
                // log's reads lag behind its keys, as those of a new primary may: give it time.
                self.collisions += 1;
                if self.lease.is_none() || self.collisions > 1 {
                    self.failures = self.collisions;
                    self.pause().await;
                }
            }
            Written::Unknown(reason) => {
                tracing::debug!(conversation = %self.id, reason, "insert outcome unknown");
                self.in_doubt(batch, 0);
            }
        }
        Ok(())
    }

    /// Numbers what is queued, judging each against the state after the one before (I10: nothing of a removed
    /// member is appended after the removal, be it in the same batch).
    fn build(&mut self) -> Batch {
        let mut batch = Batch::default();
        let Some(state) = &mut self.state else {
            return batch;
        };
        let held = state.mark.seq;
        let mut again = VecDeque::new();
        let mut undecided = None;
        let mut altered = HashSet::default();
        while let Some(mut operation) = self.queue.pop_front() {
            if batch.is_full() {
                self.queue.push_front(operation);
                break;
            }
            if operation.is_overtaking() {
                give_up_one(operation);
                continue;
            }
            // What its connection has sent before it needs another look: it keeps its place behind that (I5).
            if again
                .iter()
                .any(|before: &Operation| before.same_origin(&operation.origin))
            {
                again.push_back(operation);
                continue;
            }
            // What is about a message that was not looked up, or that this batch alters, is judged in the next.
            let waits = |target| {
                let by_him = (target, Some(operation.sender.clone()));
                !operation.is_target_known || altered.contains(&(target, None)) || altered.contains(&by_him)
            };
            if operation.change.target().is_some_and(waits) {
                self.queue.push_front(operation);
                break;
            }
            let verdict = match &operation.change {
                Change::Message(_) if planted(defect::MEMBERSHIP_AT_ENQUEUE) => Verdict::Message,
                _ => judge(&operation, state),
            };
            // A no that follows from a change that is not stored yet is none: judge it after the insert.
            if state.mark.membership > held && !matches!(verdict, Verdict::Message | Verdict::Change(_)) {
                self.queue.push_front(operation);
                break;
            }
            match verdict {
                Verdict::Message | Verdict::Change(_)
                    if operation.change.keeps_members() && operation.outlived_its_membership(state) =>
                {
                    undecided = Some(self.queue.len());
                    self.queue.push_front(operation);
                    break;
                }
                Verdict::Message | Verdict::Change(_) => {
                    let body = match (verdict, &operation.change) {
                        (Verdict::Change(body), _) => body,
                        (_, Change::Message(message)) => Body::Message(message.clone()),
                        _ => continue,
                    };
                    let entry = Arc::new(Entry {
                        conversation: self.id.clone(),
                        seq: state.mark.seq + 1,
                        sender: Some(operation.sender.clone()),
                        client_id: Some(operation.client_id.clone()),
                        lamport: state.mark.lamport.max(operation.lamport) + 1,
                        at: unix_millis(),
                        messages: state.mark.messages + u64::from(body.is_message()),
                        membership: if body.changes_membership() {
                            state.mark.seq + 1
                        } else {
                            state.mark.membership
                        },
                        body,
                        state: None,
                    });
                    state.fold(&entry);
                    if matches!(operation.change, Change::Join { .. }) {
                        // What he has sent behind it is meant for this membership.
                        let behind = self
                            .queue
                            .iter_mut()
                            .filter(|behind| behind.sender == operation.sender);
                        for behind in behind.filter(|behind| behind.same_origin(&operation.origin)) {
                            behind.under = Some(entry.seq);
                        }
                    }
                    altered.extend(entry.body.target().map(|target| match entry.body {
                        // Reactions of others have nothing to do with it.
                        Body::Reacted { .. } => (target, entry.sender.clone()),
                        _ => (target, None),
                    }));
                    operation.tried = operation.tried.max(Some(entry.seq));
                    batch.push(operation, entry);
                }
                Verdict::Unchanged if operation.is_absent_for_good(held) => {
                    operation.answer(&Ok(Outcome::Unchanged(self.id.clone(), state.mark)));
                }
                Verdict::Refuse(error) if operation.is_absent_for_good(held) => operation.answer(&Err(error)),
                // An insert of it may have landed since the lookup, or may still land: look again once the
                // slots that were tried are taken; where one is not, nobody can say.
                Verdict::Unchanged | Verdict::Refuse(_) if operation.tried <= Some(held) => {
                    operation.look_up = true;
                    again.push_back(operation);
                }
                Verdict::Unchanged | Verdict::Refuse(_) => {
                    undecided = Some(self.queue.len());
                    self.queue.push_front(operation);
                    break;
                }
            }
        }
        if undecided.is_some() {
            self.give_up(0);
        }
        while let Some(operation) = again.pop_back() {
            self.queue.push_front(operation);
        }
        batch
    }

    /// A batch is stored: apply it, deliver it, answer for it, announce it.
    async fn stored(&mut self, batch: Batch) {
        self.collisions = 0;
        let Batch {
            operations, entries, ..
        } = batch;
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return;
        };
        let (first, head) = (first.seq, last.seq);
        for entry in &entries {
            self.recent.note(entry);
        }
        self.shared.marks.said(&entries);
        metrics::counter!("starling_entries_stored_total").increment(entries.len() as u64);
        let effects = effects(&entries);
        if !effects.is_empty() {
            if let Err(unavailable) = self.shared.ports.directory.apply(&effects).await {
                tracing::warn!(conversation = %self.id, %unavailable, "stored but not applied yet");
                self.suspect = true;
            }
            if let Err(unavailable) = self.introduce(&entries).await {
                tracing::debug!(conversation = %self.id, %unavailable, "new members not introduced yet");
                self.suspect = true;
            }
        }
        if !self.suspect && self.applied + 1 == first {
            self.applied = head;
        } else {
            // Others' entries stand in between that may not be applied: marking these would mark those.
            self.suspect = true;
        }
        self.shared.delivery.offer(&self.shared, &entries);
        self.shared.events.stored(&self.id);
        let announced = Announced::batch(&entries);
        for (operation, entry) in operations.into_iter().zip(entries) {
            operation.answer(&Ok(Outcome::Stored(entry)));
        }
        self.commit(head, announced).await;
        if let Some(state) = &self.state {
            self.shared.offline.appended(&self.id, first, &state.members);
            self.shared.attempts.stored(&self.id, head, state.members.len());
        }
    }

    /// The first `stored` of a batch are stored, of the others nobody knows: look them up before anything else.
    fn in_doubt(&mut self, batch: Batch, stored: usize) {
        self.state = None;
        self.suspect = true;
        if let Some(lease) = &mut self.lease {
            lease.reserved_until = None;
        }
        let mut rest = Vec::new();
        for (index, (mut operation, entry)) in batch.operations.into_iter().zip(batch.entries).enumerate() {
            if index < stored {
                self.recent.note(&entry);
                operation.answer(&Ok(Outcome::Stored(entry)));
            } else {
                operation.look_up = true;
                rest.push(operation);
            }
        }
        for operation in rest.into_iter().rev() {
            self.queue.push_front(operation);
        }
    }
}

fn give_up_one(operation: Operation) {
    let error = if operation.tried.is_some() {
        Error::new(
            ErrorCode::Unknown,
            "whether it is stored is not known: send it again with the same client id",
        )
    } else {
        Error::new(
            ErrorCode::Unavailable,
            "it could not be stored in time: send it again",
        )
    };
    operation.answer(&Err(error));
}
