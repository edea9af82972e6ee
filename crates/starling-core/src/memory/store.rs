//! The log, as MongoDB keeps it: unique keys, ordered inserts, majority reads.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use starling_protocol::{ClientId, ConversationId, Entry, Seq, UserId};

use super::effects::Tables;
use super::faults::{InsertFault, Latency, Link, StoreFaults, pause};
use crate::ports::{ConversationRecord, EntryLog, InsertError, MemberRecord, Unavailable};

/// The simulated store: an [`EntryLog`] and a [`crate::ports::Directory`].
///
/// Clones and [`MemoryStore::node`]s share the data. What is set on the original (or a clone of it) holds for
/// every node, what is set on a node's handle for that node alone. Inspection sees the data at once and is never
/// subject to faults.
#[derive(Clone)]
pub struct MemoryStore {
    pub(super) data: Arc<Mutex<Data>>,
    pub(super) link: Arc<Link>,
    pub(super) faults: Arc<StoreFaults>,
}

/// What the store was asked to do so far, by all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreCounts {
    /// Insert commands that reached the store.
    pub inserts: usize,
    /// Entries that were stored.
    pub entries: usize,
    /// Insert commands that were stopped by a collision.
    pub duplicates: usize,
    /// Reads of the log and the directory.
    pub reads: usize,
}

#[derive(Default)]
pub(super) struct Data {
    logs: HashMap<ConversationId, BTreeMap<Seq, Arc<Entry>>>,
    keys: HashMap<(ConversationId, Option<UserId>, ClientId), Seq>,
    pub(super) tables: Tables,
    pub(super) counts: StoreCounts,
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
            data: Arc::default(),
            link: Arc::new(Link::new("the store", None)),
            faults: Arc::default(),
        }
    }

    /// A node's handle on the same data, with faults of its own besides those of `self`.
    pub fn node(&self) -> Self {
        Self {
            data: Arc::clone(&self.data),
            link: Arc::new(Link::new("the store", Some(Arc::clone(&self.link)))),
            faults: Arc::new(StoreFaults::under(&self.faults)),
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
        self.faults.add_cut_apply(after);
    }

    /// A whole log, by seq.
    pub fn entries(&self, conversation: &ConversationId) -> Vec<Arc<Entry>> {
        self.data
            .lock()
            .logs
            .get(conversation)
            .map_or_else(Vec::new, |log| log.values().cloned().collect())
    }

    /// The highest seq of a log; 0 if it is empty.
    pub fn head_seq(&self, conversation: &ConversationId) -> Seq {
        self.data.lock().head(conversation).map_or(0, |entry| entry.seq)
    }

    /// All conversations that have an entry, by id.
    pub fn conversation_ids(&self) -> Vec<ConversationId> {
        let mut ids: Vec<_> = self.data.lock().logs.keys().cloned().collect();
        ids.sort();
        ids
    }

    /// A conversation as the directory has it.
    pub fn record(&self, conversation: &ConversationId) -> Option<ConversationRecord> {
        self.data.lock().tables.conversation(conversation).cloned()
    }

    /// The members of a conversation as the directory has them, former ones included, by user.
    pub fn member_records(&self, conversation: &ConversationId) -> Vec<MemberRecord> {
        self.data.lock().tables.members(conversation).cloned().collect()
    }

    /// The users that were seen, by id, with the last name that was given.
    pub fn users(&self) -> Vec<(UserId, Option<String>)> {
        self.data.lock().tables.users()
    }

    /// What the store was asked to do so far.
    pub fn counts(&self) -> StoreCounts {
        self.data.lock().counts
    }

    pub(super) async fn reading<T: Send>(
        &self,
        read: impl FnOnce(&Data) -> T + Send,
    ) -> Result<T, Unavailable> {
        let fails = self.faults.take_read();
        let outcome = self
            .link
            .call(|| {
                let mut data = self.data.lock();
                data.counts.reads += 1;
                read(&data)
            })
            .await?;
        if fails {
            Err(self.link.unavailable("told to fail"))
        } else {
            Ok(outcome)
        }
    }

    /// Inserts `entries`, which stand at `offset` of the caller's batch.
    async fn store(&self, entries: &[Arc<Entry>], offset: usize) -> Result<(), InsertError> {
        match self.link.call(|| self.data.lock().insert(entries)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(index)) => Err(InsertError::Duplicate {
                index: offset + index,
            }),
            Err(unavailable) => Err(InsertError::Unknown(unavailable.to_string())),
        }
    }

    async fn store_without_reply(&self, entries: &[Arc<Entry>]) -> InsertError {
        match self.store(entries, 0).await {
            Err(unknown @ InsertError::Unknown(_)) => unknown,
            Ok(()) | Err(InsertError::Duplicate { .. }) => InsertError::Unknown("no reply".into()),
        }
    }

    fn store_late(&self, entries: &[Arc<Entry>], after: Duration) {
        let (data, entries) = (Arc::clone(&self.data), entries.to_vec());
        tokio::spawn(async move {
            pause(after).await;
            // Whether it lands as a whole shows in the log; there is nobody left to be told.
            let _ = data.lock().insert(&entries);
        });
    }
}

impl Data {
    /// Stores in order up to the first collision, and says where that is.
    fn insert(&mut self, entries: &[Arc<Entry>]) -> Result<(), usize> {
        if entries.is_empty() {
            return Ok(());
        }
        self.counts.inserts += 1;
        for (index, entry) in entries.iter().enumerate() {
            if !self.insert_one(entry) {
                self.counts.duplicates += 1;
                return Err(index);
            }
            self.counts.entries += 1;
        }
        Ok(())
    }

    fn insert_one(&mut self, entry: &Arc<Entry>) -> bool {
        let key = entry.client_id.as_ref().map(|client_id| {
            (
                entry.conversation.clone(),
                entry.sender.clone(),
                client_id.clone(),
            )
        });
        if key.as_ref().is_some_and(|key| self.keys.contains_key(key))
            || self
                .logs
                .get(&entry.conversation)
                .is_some_and(|log| log.contains_key(&entry.seq))
        {
            return false;
        }
        self.keys.extend(key.map(|key| (key, entry.seq)));
        self.logs
            .entry(entry.conversation.clone())
            .or_default()
            .insert(entry.seq, Arc::clone(entry));
        true
    }

    fn head(&self, conversation: &ConversationId) -> Option<Arc<Entry>> {
        self.logs.get(conversation)?.values().next_back().cloned()
    }

    fn at(&self, conversation: &ConversationId, seq: Seq) -> Option<Arc<Entry>> {
        self.logs.get(conversation)?.get(&seq).cloned()
    }
}

#[async_trait]
impl EntryLog for MemoryStore {
    async fn insert(&self, entries: &[Arc<Entry>]) -> Result<(), InsertError> {
        if entries.is_empty() {
            return Ok(());
        }
        let first = |count: usize| &entries[..count.min(entries.len())];
        match self.faults.take_insert() {
            InsertFault::Pass => self.store(entries, 0).await,
            InsertFault::UnknownStored => Err(self.store_without_reply(entries).await),
            InsertFault::UnknownLost => Err(self.store_without_reply(&[]).await),
            InsertFault::UnknownPrefix(count) => Err(self.store_without_reply(first(count)).await),
            InsertFault::UnknownLate(after) => {
                self.store_late(entries, after);
                Err(self.store_without_reply(&[]).await)
            }
            InsertFault::UnknownLatePrefix(count, after) => {
                self.store_late(first(count), after);
                Err(self.store_without_reply(&[]).await)
            }
            InsertFault::Torn(count, between) => {
                self.store(first(count), 0).await?;
                pause(between).await;
                self.store(&entries[first(count).len()..], first(count).len())
                    .await
            }
        }
    }

    async fn head(&self, conversation: &ConversationId) -> Result<Option<Arc<Entry>>, Unavailable> {
        self.reading(|data| data.head(conversation)).await
    }

    async fn heads(&self, conversations: &[ConversationId]) -> Result<Vec<Arc<Entry>>, Unavailable> {
        self.reading(|data| conversations.iter().filter_map(|id| data.head(id)).collect())
            .await
    }

    async fn read(
        &self,
        conversation: &ConversationId,
        after: Seq,
        to: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        self.reading(|data| {
            let Some(log) = data.logs.get(conversation).filter(|_| after < to) else {
                return Vec::new();
            };
            log.range(after + 1..=to)
                .take(limit)
                .map(|(_, entry)| Arc::clone(entry))
                .collect()
        })
        .await
    }

    async fn read_back(
        &self,
        conversation: &ConversationId,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        self.reading(|data| {
            let Some(log) = data.logs.get(conversation) else {
                return Vec::new();
            };
            let mut page: Vec<_> = log
                .range(..before)
                .rev()
                .take(limit)
                .map(|(_, entry)| Arc::clone(entry))
                .collect();
            page.reverse();
            page
        })
        .await
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        keys: &[(UserId, ClientId)],
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        self.reading(|data| {
            let seqs = keys.iter().filter_map(|(sender, client_id)| {
                data.keys
                    .get(&(conversation.clone(), Some(sender.clone()), client_id.clone()))
            });
            seqs.filter_map(|seq| data.at(conversation, *seq)).collect()
        })
        .await
    }

    async fn at(&self, places: &[(ConversationId, Seq)]) -> Result<Vec<Arc<Entry>>, Unavailable> {
        self.reading(|data| places.iter().filter_map(|(id, seq)| data.at(id, *seq)).collect())
            .await
    }
}
