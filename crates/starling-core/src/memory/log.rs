//! The log's port over the replicas: ordered inserts, majority reads, and what may become of an insert.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use starling_protocol::{ClientId, ConversationId, Entry, Seq, UserId};

use super::faults::{InsertFault, pause};
use super::store::MemoryStore;
use crate::ports::{DAY_MS, EntryLog, InsertError, MessageRange, RangeEnd, Tally, Unavailable};

/// Stores have signed numbers.
const MAX_NUMBER: u64 = i64::MAX as u64;

impl MemoryStore {
    /// Inserts `entries`, which stand at `offset` of the caller's batch.
    async fn store(&self, entries: &[Arc<Entry>], offset: usize) -> Result<(), InsertError> {
        let stored = self.writing(|replicas, late| {
            let arrived = late.map_or(entries.len(), |late| late.part(entries.len()));
            let before = replicas.counts.entries;
            let stored = replicas.insert(&entries[..arrived]);
            if late.is_some() {
                replicas.counts.late += replicas.counts.entries - before;
            }
            stored
        });
        match stored.await {
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
        let (replicas, entries) = (Arc::clone(&self.replicas), entries.to_vec());
        tokio::spawn(async move {
            pause(after).await;
            let mut replicas = replicas.lock();
            let before = replicas.counts.entries;
            // Whether it lands as a whole shows in the log; there is nobody left to be told.
            let _ = replicas.insert(&entries);
            replicas.counts.late += replicas.counts.entries - before;
        });
    }
}

#[async_trait]
impl EntryLog for MemoryStore {
    async fn insert(&self, entries: &[Arc<Entry>]) -> Result<(), InsertError> {
        if entries.is_empty() {
            return Ok(());
        }
        if entries
            .iter()
            .any(|entry| entry.lamport > MAX_NUMBER || entry.seq > MAX_NUMBER)
        {
            return Err(InsertError::Unknown("a number cannot be stored".into()));
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
            let entries = data.between(conversation, after, to.saturating_add(1));
            entries.take(limit).collect()
        })
        .await
    }

    async fn read_back(
        &self,
        conversation: &ConversationId,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        self.count_read_back();
        self.reading(|data| {
            let mut page: Vec<_> = data.between(conversation, 0, before).rev().take(limit).collect();
            page.reverse();
            page
        })
        .await
    }

    async fn messages(
        &self,
        conversation: &ConversationId,
        range: &MessageRange,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        self.reading(|data| {
            let messages = data.between(conversation, 0, Seq::MAX).filter(|entry| {
                let wanted = range.sender.is_none() || range.sender == entry.sender;
                entry.body.is_message() && wanted && (range.after + 1..=range.to).contains(&entry.messages)
            });
            match range.end {
                RangeEnd::Lowest => messages.skip(range.skip).take(limit).collect(),
                RangeEnd::Highest => {
                    let mut page: Vec<_> = messages.rev().skip(range.skip).take(limit).collect();
                    page.reverse();
                    page
                }
            }
        })
        .await
    }

    async fn tally(
        &self,
        conversation: &ConversationId,
        after: u64,
        to: u64,
        days: usize,
    ) -> Result<Tally, Unavailable> {
        self.reading(|data| {
            let (mut senders, mut by_day) = (BTreeSet::new(), BTreeMap::new());
            for entry in data.between(conversation, 0, Seq::MAX) {
                if entry.body.is_message() && (after + 1..=to).contains(&entry.messages) {
                    senders.insert(entry.sender.clone());
                    *by_day.entry(entry.at.div_euclid(DAY_MS) * DAY_MS).or_default() += 1;
                }
            }
            Tally {
                senders: senders.len() as u64,
                days: by_day.into_iter().rev().take(days).collect(),
            }
        })
        .await
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        keys: &[(UserId, ClientId)],
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        self.reading(|data| {
            keys.iter()
                .filter_map(|key| data.find(conversation, key))
                .collect()
        })
        .await
    }

    async fn at(&self, places: &[(ConversationId, Seq)]) -> Result<Vec<Arc<Entry>>, Unavailable> {
        self.reading(|data| places.iter().filter_map(|(id, seq)| data.at(id, *seq)).collect())
            .await
    }
}
