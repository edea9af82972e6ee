//! One conversation's actor on one node: drains what is queued, appends it in batches, answers.
//!
//! A turn: look up what may be stored already → refuse what may not be → lease and reserve → be at the head →
//! judge, number, insert → apply, deliver, answer → commit, publish, release. Whatever goes wrong leads back
//! to the start of a turn with the operations in their order, and to re-reading the head: no step trusts what
//! an earlier, failed one believed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use starling_protocol::{Body, ConversationId, Entry, Error, ErrorCode, HeadMark, Seq};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};

use super::batch::{Batch, MAX_BATCH, Recent};
use super::effects::effects;
use super::operation::{Change, Operation, Outcome};
use super::rules::{Verdict, judge};
use super::state::{State, read_range};
use super::writer::Written;
use super::{Address, MAILBOX, Mail};
use crate::fail_points::window;
use crate::node_message::NodeMessage;
use crate::ports::{AfterCommit, Commit, LeaseState, LeaseToken, Reservation, Unavailable};
use crate::shared::Shared;
use crate::time::{jittered, unix_millis};

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
            Some(queued) => queued.answers.extend(operation.answers),
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

    /// Answers what is past its deadline, and what came behind it by the same connection (I5).
    fn give_up_late(&mut self) {
        let now = Instant::now();
        while let Some(late) = self.queue.iter().position(|operation| operation.deadline <= now) {
            self.give_up(late);
        }
    }

    fn give_up(&mut self, index: usize) {
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
    async fn look_up(&mut self) -> Result<(), Unavailable> {
        let keys: Vec<_> = self
            .queue
            .iter()
            .filter(|operation| operation.look_up)
            .map(Operation::key)
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        // What is known to be taken *before* the lookup: only slots up to here prove an absence.
        let known = self.state.as_ref().map_or(0, |state| state.mark.seq);
        let found = self.shared.ports.log.find(&self.id, &keys).await?;
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

    /// Refuses, without taking the lease, what may not be at the log's present head. Nothing that can be
    /// refused takes a seq, and a stranger's sends do not make a node take leases.
    async fn refuse_early(&mut self) -> Result<(), Unavailable> {
        if self.state.is_none() {
            self.read_head().await?;
        }
        self.follow_deliveries();
        if self.may_proceed() {
            return Ok(());
        }
        // The state that says no may be old: ask the log.
        self.read_head().await?;
        let Some(state) = &self.state else { return Ok(()) };
        let mut rest = VecDeque::with_capacity(self.queue.len());
        let mut changes_ahead = false;
        for operation in std::mem::take(&mut self.queue) {
            if changes_ahead || operation.tried.is_some() {
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

    /// Whether all that is queued may be appended as far as this node knows.
    fn may_proceed(&self) -> bool {
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

    /// Takes the lease, waiting in line for it. `None`: nothing is left to append.
    async fn acquire(&mut self) -> Option<Hint> {
        if let Some(lease) = &mut self.lease
            && lease
                .reserved_until
                .take()
                .is_some_and(|until| Instant::now() < until)
        {
            return Some(Hint::Kept);
        }
        let token = match &self.lease {
            Some(lease) => lease.token.clone(),
            None => self.shared.claim(),
        };
        let since = Instant::now();
        loop {
            if self.shared.coordination_is_down() {
                self.lease = None;
                return Some(Hint::None);
            }
            let want = self.queue.len().min(MAX_BATCH) as u32;
            match self.shared.ports.leases.reserve(&self.id, &token, want).await {
                Ok(Reservation::Granted { counter, head }) => {
                    metrics::histogram!("starling_lease_wait_seconds").record(since.elapsed().as_secs_f64());
                    if self.lease.is_none() {
                        self.lease = Some(Lease {
                            token,
                            since: Instant::now(),
                            reserved_until: None,
                        });
                    }
                    return Some(Hint::Marks { counter, head });
                }
                Ok(Reservation::Waiting) => {
                    self.lease = None;
                    let poll = jittered(self.shared.ports.leases.poll_interval());
                    let _ = timeout(poll, self.granted.notified()).await;
                    self.give_up_late();
                    if self.queue.is_empty() {
                        let _ = self.shared.ports.leases.abandon(&self.id, &token).await;
                        return None;
                    }
                }
                Err(unavailable) => {
                    metrics::counter!("starling_leaseless_turns_total").increment(1);
                    tracing::debug!(conversation = %self.id, %unavailable, "no lease");
                    self.shared.coordination_failed();
                    self.lease = None;
                    return Some(Hint::None);
                }
            }
        }
    }

    async fn abandon_lease(&mut self) {
        if let Some(lease) = self.lease.take() {
            let _ = self.shared.ports.leases.abandon(&self.id, &lease.token).await;
        }
    }

    /// Folds in what other nodes have published.
    fn follow_deliveries(&mut self) {
        let Some(state) = &mut self.state else { return };
        for entry in self.shared.delivery.recent_after(&self.id, state.mark.seq) {
            state.fold(&entry);
        }
    }

    /// Brings the state to the log's head, whatever coordination says, and recovers where it says something
    /// that a clean predecessor would not have left.
    async fn refresh(&mut self, hint: Hint) -> Result<(), Unavailable> {
        if hint == Hint::Kept && !self.suspect && self.state.is_some() {
            return Ok(());
        }
        self.follow_deliveries();
        let clean_at = |seq: Seq| match hint {
            Hint::Marks { counter, head } => counter == Some(seq) && head == Some(seq),
            // Nobody can be told anything; what is owed is made up for when coordination is back.
            Hint::None | Hint::Kept => true,
        };
        let held = self.state.as_ref().map(|state| state.mark.seq);
        if hint == Hint::None || self.suspect || !held.is_some_and(clean_at) {
            self.read_head().await?;
        }
        let Some(head) = self.state.as_ref().map(|state| state.mark) else {
            return Ok(());
        };
        if head.seq > 0 && (self.suspect || !clean_at(head.seq)) {
            self.recover(head).await?;
        } else if hint != Hint::None {
            self.applied = head.seq;
        }
        Ok(())
    }

    /// Makes the state that of the log's head, as read from the primary at majority.
    async fn read_head(&mut self) -> Result<(), Unavailable> {
        let ports = &self.shared.ports;
        let Some(head) = ports.log.head(&self.id).await? else {
            self.state = Some(State::empty());
            return Ok(());
        };
        match &mut self.state {
            // A primary that was just elected may not have caught up with what is known here at majority.
            Some(state) if state.mark.seq >= head.seq => {}
            Some(state)
                if state.exists()
                    && state.mark.seq < head.seq
                    && head.seq - state.mark.seq <= FOLD_AT_MOST =>
            {
                let after = state.mark.seq;
                for entry in read_range(ports, &self.id, after, head.seq).await? {
                    state.fold(&entry);
                }
            }
            _ => {
                let (state, applied) = State::load(ports, &head).await?;
                // A membership change that is not marked as applied may not be announced either.
                self.suspect |= applied < head.membership;
                self.state = Some(state);
            }
        }
        Ok(())
    }

    /// Re-applies and announces again what is stored up to the head and perhaps was not.
    async fn recover(&mut self, head: HeadMark) -> Result<(), Unavailable> {
        let shared = self.shared.clone();
        let record = shared.ports.directory.conversation(&self.id).await?;
        let applied = record.map_or(0, |record| record.applied.max(self.applied));
        let entries = read_range(&shared.ports, &self.id, applied, head.seq).await?;
        let effects = effects(&entries);
        if !effects.is_empty() {
            shared.ports.directory.apply(&effects).await?;
        }
        self.applied = head.seq;
        shared.delivery.offer(&shared, &entries);
        self.introduce(&entries).await;
        let changes = entries
            .into_iter()
            .filter(|entry| entry.body.changes_membership())
            .collect();
        let announcement = NodeMessage::Head(self.id.clone(), head.seq, changes).encode();
        metrics::counter!("starling_recoveries_total").increment(1);
        let told = shared
            .ports
            .leases
            .commit(Arc::new(self.commit_of(head.seq, announcement, None)))
            .await;
        match told {
            Ok(_) => {
                self.suspect = false;
                shared.marks.applied(&self.id, head.seq);
            }
            // The log is right; the others find out by comparing heads. Keep owing it.
            Err(_) => self.suspect = true,
        }
        Ok(())
    }

    /// Recovers a conversation in which nothing is queued.
    async fn settle(&mut self) -> Result<(), Unavailable> {
        self.read_head().await?;
        match self.state.as_ref().map(|state| state.mark) {
            Some(head) if head.seq > 0 => self.recover(head).await?,
            _ => self.suspect = false,
        }
        if self.suspect {
            return Err(Unavailable::new(
                "coordination",
                "the head could not be announced",
            ));
        }
        self.abandon_lease().await;
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
        while let Some(mut operation) = self.queue.pop_front() {
            if batch.is_full() {
                self.queue.push_front(operation);
                break;
            }
            if operation.is_overtaking() {
                give_up_one(operation);
                continue;
            }
            let verdict = judge(&operation, state);
            // A no that follows from a change that is not stored yet is none: judge it after the insert.
            if state.mark.membership > held && !matches!(verdict, Verdict::Message | Verdict::Change(_)) {
                self.queue.push_front(operation);
                break;
            }
            match verdict {
                Verdict::Message | Verdict::Change(_) => {
                    let body = match (verdict, &operation.change) {
                        (Verdict::Change(body), _) => body,
                        (_, Change::Message { text }) => Body::Message { text: text.clone() },
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
                    });
                    state.fold(&entry);
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
        metrics::counter!("starling_entries_stored_total").increment(entries.len() as u64);
        let effects = effects(&entries);
        if !effects.is_empty() {
            if let Err(unavailable) = self.shared.ports.directory.apply(&effects).await {
                tracing::warn!(conversation = %self.id, %unavailable, "stored but not applied yet");
                self.suspect = true;
            }
            self.introduce(&entries).await;
        }
        if !self.suspect && self.applied + 1 == first {
            self.applied = head;
        }
        self.shared.delivery.offer(&self.shared, &entries);
        let payload = NodeMessage::Entries(entries.clone()).encode();
        for (operation, entry) in operations.into_iter().zip(entries) {
            operation.answer(&Ok(Outcome::Stored(entry)));
        }
        self.commit(head, payload).await;
        if let Some(state) = &self.state {
            self.shared.offline.appended(&self.id, first, &state.members);
        }
    }

    /// Puts the nodes of new members on the route before the entry that makes them members is published.
    async fn introduce(&self, entries: &[Arc<Entry>]) {
        let users: Vec<_> = entries.iter().flat_map(|entry| super::newcomers(entry)).collect();
        if users.is_empty() {
            return;
        }
        let ports = &self.shared.ports;
        // Failing here costs latency: their nodes find the conversation when they next compare.
        let Ok(sessions) = ports.sessions.sessions(&users).await else {
            return;
        };
        let mut nodes: Vec<_> = sessions
            .into_iter()
            .flatten()
            .map(|session| session.incarnation)
            .collect();
        nodes.sort();
        nodes.dedup();
        for node in nodes {
            let _ = ports.bus.join_routes(std::slice::from_ref(&self.id), &node).await;
        }
    }

    fn commit_of(&self, head: Seq, payload: bytes::Bytes, then: Option<AfterCommit>) -> Commit {
        Commit {
            conversation: self.id.clone(),
            token: then.and(self.lease.as_ref()).map(|lease| lease.token.clone()),
            head,
            then: then.unwrap_or(AfterCommit::Release),
            payload,
            own: self.shared.incarnation(),
            handover: NodeMessage::Granted(self.id.clone()).encode(),
        }
    }

    /// Publishes a stored batch and decides about the lease. What is stored stays stored, whatever happens
    /// here.
    async fn commit(&mut self, head: Seq, payload: bytes::Bytes) {
        window("before_release");
        if self.shared.coordination_is_down() {
            self.lease = None;
            self.suspect = true;
            return;
        }
        let reserve = (self.queue.len() + self.mail.len()).min(MAX_BATCH) as u32;
        let share = self.shared.settings.lease_share;
        let then = match &self.lease {
            Some(_) if reserve == 0 => AfterCommit::Release,
            Some(lease) if lease.since.elapsed() < share => AfterCommit::Keep { reserve },
            _ => AfterCommit::Yield { reserve },
        };
        let asked = Instant::now();
        let commit = Arc::new(self.commit_of(head, payload, Some(then)));
        let committed = self.shared.ports.leases.commit(commit).await;
        window("after_publish");
        match committed {
            Ok(committed) => {
                match (committed.lease, &mut self.lease) {
                    (LeaseState::Kept, Some(lease)) => {
                        lease.reserved_until = Some(asked + self.shared.ports.leases.ttl() / 2);
                        if matches!(then, AfterCommit::Yield { .. }) {
                            lease.since = asked;
                        }
                    }
                    _ => self.lease = None,
                }
                if committed.lease == LeaseState::Lost {
                    metrics::counter!("starling_leases_lost_total").increment(1);
                }
                self.shared
                    .registration
                    .check_route(&self.shared, &self.id, &committed.route);
                if !self.suspect {
                    self.shared.marks.applied(&self.id, head);
                }
            }
            Err(unavailable) => {
                tracing::debug!(conversation = %self.id, %unavailable, "stored but not announced");
                self.shared.coordination_failed();
                self.lease = None;
                self.suspect = true;
            }
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
