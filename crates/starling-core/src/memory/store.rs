//! The store, as a MongoDB replica set is one: unique keys, majority writes, majority reads.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use starling_protocol::{ConversationId, Entry, Seq, UserId};
use tokio::time::{Instant, sleep_until};

use super::faults::{ApplyFault, InsertFault, Late, Latency, Link, StoreFaults};
use super::people::SharedPeople;
use super::replicas::{Data, Receipt, Replicas};
use crate::ports::{ConversationRecord, InviteRecord, MemberRecord, SanctionRecord, Unavailable};
use crate::{defect, planted};

/// How long a write waits for its majority; then its outcome is unknown.
const MAJORITY_TIMEOUT: Duration = Duration::from_secs(2);

/// The simulated store: an [`crate::ports::EntryLog`] and a [`crate::ports::Directory`].
///
/// Clones and [`MemoryStore::node`]s share the data. What is set on the original (or a clone of it) holds for
/// every node, what is set on a node's handle for that node alone. Inspection sees what a majority has, at once,
/// and is never subject to faults.
#[derive(Clone)]
pub struct MemoryStore {
    pub(super) replicas: Arc<Mutex<Replicas>>,
    pub(super) link: Arc<Link>,
    pub(super) faults: Arc<StoreFaults>,
    pub(super) people: SharedPeople,
}

/// What the store was asked to do so far, by all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreCounts {
    /// Insert commands that reached the store.
    pub inserts: usize,
    /// Entries that were stored.
    pub entries: usize,
    /// Of these, entries that landed when their inserter had been told that the outcome is unknown, or was dead.
    pub late: usize,
    /// Entries that a fail-over has rolled back.
    pub rolled_back: usize,
    /// Insert commands that were stopped by a collision.
    pub duplicates: usize,
    /// Pages of the log that were read from their end.
    pub read_backs: usize,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            replicas: Arc::new(Mutex::new(Replicas::new())),
            link: Arc::new(Link::new("the store", None)),
            faults: Arc::default(),
            people: SharedPeople::default(),
        }
    }

    /// A node's handle on the same data, with faults of its own besides those of `self`.
    pub fn node(&self) -> Self {
        Self {
            replicas: Arc::clone(&self.replicas),
            link: Arc::new(Link::new("the store", Some(Arc::clone(&self.link)))),
            faults: Arc::new(StoreFaults::under(&self.faults)),
            people: Arc::clone(&self.people),
        }
    }

    /// Makes everything fail: reads and updates are unavailable, inserts unknown and not stored.
    pub fn set_reachable(&self, reachable: bool) {
        self.link.set_reachable(reachable);
    }

    /// How long calls take from now on.
    pub fn set_latency(&self, latency: Latency) {
        self.link.set_latency(latency);
    }

    /// How long it takes from now on until a majority has what the primary has: a time that is drawn from a series,
    /// the same for the same seed. None at first.
    pub fn set_majority_lag(&self, min: Duration, max: Duration, seed: u64) {
        self.replicas.lock().set_lag(min, max, seed);
    }

    /// The secondaries take nothing in for this long. Writes that wait for a majority longer than two seconds are
    /// unknown; they are committed later.
    pub fn stall_majority(&self, time: Duration) {
        self.replicas.lock().stall(time);
    }

    /// A secondary takes over that has the first `kept` of the writes that no majority has; the others are rolled
    /// back. Whoever waits for a majority is told that the outcome is unknown. Until `catch_up` is over the new
    /// primary does not know that a majority has the last `behind` writes of those that it has, and commits none;
    /// so its majority reads are older than those of its predecessor.
    pub fn fail_over(&self, kept: usize, behind: usize, catch_up: Duration) {
        self.replicas.lock().fail_over(kept, behind, catch_up);
    }

    /// The next so many calls of any kind are carried out, but answered as if they might not have been.
    pub fn lose_replies(&self, count: usize) {
        self.link.lose_replies(count);
    }

    /// What becomes of the next inserts, one each, after those that were planned before.
    pub fn fail_inserts(&self, faults: impl IntoIterator<Item = InsertFault>) {
        self.faults.add_inserts(faults);
    }

    /// The next so many reads, of the log or the directory, are unavailable.
    pub fn fail_reads(&self, count: usize) {
        self.faults.set_reads(count);
    }

    /// The next `apply` that was not planned for carries out so many effects, and then reports that the store is
    /// unavailable.
    pub fn cut_apply(&self, after: usize) {
        self.faults.add_apply(ApplyFault::Cut(after));
    }

    /// The next `apply` that was not planned for reports that the store is unavailable, and is carried out this much
    /// later.
    pub fn delay_apply(&self, time: Duration) {
        self.faults.add_apply(ApplyFault::Late(time));
    }

    /// Forgets the faults that were planned and did not happen.
    pub fn clear_faults(&self) {
        self.faults.clear();
        self.link.lose_replies(0);
    }

    /// A whole log, by seq.
    pub fn entries(&self, conversation: &ConversationId) -> Vec<Arc<Entry>> {
        self.inspect(|data| data.between(conversation, 0, Seq::MAX).collect())
    }

    /// The highest seq of a log; 0 if it is empty.
    pub fn head_seq(&self, conversation: &ConversationId) -> Seq {
        self.inspect(|data| data.head(conversation).map_or(0, |entry| entry.seq))
    }

    /// The same of the log as the primary has it, of which a fail-over may take back what no majority has.
    pub fn primary_head_seq(&self, conversation: &ConversationId) -> Seq {
        let replicas = self.replicas.lock();
        replicas.primary().head(conversation).map_or(0, |entry| entry.seq)
    }

    /// All conversations that have an entry, by id.
    pub fn conversation_ids(&self) -> Vec<ConversationId> {
        let mut ids: Vec<_> = self.inspect(|data| data.conversations().cloned().collect());
        ids.sort();
        ids
    }

    /// A conversation as the directory has it.
    pub fn record(&self, conversation: &ConversationId) -> Option<ConversationRecord> {
        self.inspect(|data| data.tables.conversation(conversation).cloned())
    }

    /// The members of a conversation as the directory has them, former ones included, by user.
    pub fn member_records(&self, conversation: &ConversationId) -> Vec<MemberRecord> {
        self.inspect(|data| data.tables.members(conversation).cloned().collect())
    }

    /// The bans and mutes of a conversation as the directory has them, those that were lifted included, by user.
    pub fn sanction_records(&self, conversation: &ConversationId) -> Vec<SanctionRecord> {
        self.inspect(|data| data.tables.sanctions(conversation))
    }

    /// The invites of a conversation that are neither revoked nor used up, as the directory has them, by id.
    pub fn invite_records(&self, conversation: &ConversationId) -> Vec<InviteRecord> {
        self.inspect(|data| data.tables.invites(conversation).cloned().collect())
    }

    /// Up to where a sink was told of a conversation.
    pub fn told(&self, sink: &str, conversation: &ConversationId) -> Option<Seq> {
        self.inspect(|data| data.tables.told(sink, conversation))
    }

    /// The users that were seen, by id, with the last name that was given.
    pub fn users(&self) -> Vec<(UserId, Option<String>)> {
        self.inspect(|data| data.tables.users())
    }

    /// What the store was asked to do so far.
    pub fn counts(&self) -> StoreCounts {
        self.replicas.lock().counts
    }

    pub(super) fn count_read_back(&self) {
        self.replicas.lock().counts.read_backs += 1;
    }

    fn inspect<T>(&self, read: impl FnOnce(&Data) -> T) -> T {
        read(self.replicas.lock().majority())
    }

    /// One read, at majority.
    pub(super) async fn reading<T: Send>(
        &self,
        read: impl FnOnce(&Data) -> T + Send,
    ) -> Result<T, Unavailable> {
        let fails = self.faults.take_read();
        let outcome = self
            .link
            .call(|_| {
                let mut replicas = self.replicas.lock();
                read(replicas.majority())
            })
            .await?;
        if fails {
            Err(self.link.unavailable("told to fail"))
        } else {
            Ok(outcome)
        }
    }

    /// One write, answered once a majority has it. A collision, too, is told only then: what was collided with is
    /// committed by that time.
    pub(super) async fn writing<T: Send>(
        &self,
        write: impl FnOnce(&mut Replicas, Option<&Late<'_>>) -> T + Send,
    ) -> Result<T, Unavailable> {
        let (outcome, receipt) = self
            .link
            .call(|late| {
                let mut replicas = self.replicas.lock();
                let outcome = write(&mut replicas, late);
                (outcome, replicas.receipt())
            })
            .await?;
        if !planted(defect::MINORITY_WRITES) {
            self.majority_of(receipt).await?;
        }
        Ok(outcome)
    }

    async fn majority_of(&self, receipt: Receipt) -> Result<(), Unavailable> {
        let now = Instant::now();
        if receipt.committed_at > now {
            sleep_until(receipt.committed_at.min(now + MAJORITY_TIMEOUT)).await;
            self.link.returned().await?;
        }
        if self.replicas.lock().term() != receipt.term {
            Err(self.link.unavailable("the primary has changed"))
        } else if Instant::now() < receipt.committed_at {
            Err(self.link.unavailable("no majority in time"))
        } else {
            Ok(())
        }
    }
}
