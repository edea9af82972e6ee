//! The log.
//!
//! Every query names its index: the planner chooses by trial, and with two indexes that begin with `conversation`
//! a trial on a short log may choose the one that scans a long log whole.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bson::{Bson, Document, doc};
use futures::TryStreamExt;
use mongodb::error::{Error, ErrorKind};
use mongodb::options::Hint;
use serde::Deserialize;
use starling_core::ports::{DAY_MS, EntryLog, InsertError, MessageRange, RangeEnd, Tally, Unavailable};
use starling_protocol::{ClientId, ConversationId, Entry, Seq, UserId};

use crate::Mongo;
use crate::call::{CallError, call, count_error};
use crate::entry_document::{StoredEntry, encode};
use crate::error::describe;
use crate::indexes::{CONVERSATION_SENDER_CLIENT_ID, CONVERSATION_SEQ};

/// Items in one query; more are asked for in several.
const CHUNK: usize = 500;
const DUPLICATE_KEY: i32 = 11000;

#[async_trait]
impl EntryLog for Mongo {
    /// One ordered insert command (the driver would split it beyond 48 MB or 100,000 documents).
    async fn insert(&self, entries: &[Arc<Entry>]) -> Result<(), InsertError> {
        if entries.is_empty() {
            return Ok(());
        }
        let documents = entries
            .iter()
            .map(|entry| encode(entry))
            .collect::<Result<Vec<_>, _>>();
        let work = async {
            let documents = documents.map_err(|error| CallError::Reply(error.to_string()))?;
            self.raw_entries.insert_many(documents).ordered(true).await?;
            Ok(())
        };
        call("insert", self.settings.write_timeout, work)
            .await
            .map_err(|error| {
                let error = insert_error(error);
                if let InsertError::Unknown(reason) = &error {
                    count_error("insert");
                    tracing::warn!(
                        entries = entries.len(),
                        reason,
                        "the outcome of an insert is unknown"
                    );
                }
                error
            })
    }

    async fn head(&self, conversation: &ConversationId) -> Result<Option<Arc<Entry>>, Unavailable> {
        self.reads("head", async {
            let filter = doc! { "conversation": conversation.as_str() };
            let found = self
                .entries
                .find_one(filter)
                .sort(doc! { "seq": -1 })
                .hint(by_seq())
                .await?;
            Ok(found.map(|stored| Arc::new(stored.into())))
        })
        .await
    }

    async fn heads(&self, conversations: &[ConversationId]) -> Result<Vec<Arc<Entry>>, Unavailable> {
        self.reads("heads", async {
            let mut heads = Vec::with_capacity(conversations.len());
            for chunk in conversations.chunks(CHUNK) {
                let ids: Vec<&str> = chunk.iter().map(ConversationId::as_str).collect();
                // The server turns exactly this shape into a DISTINCT_SCAN: one seek for each log.
                let pipeline = [
                    doc! { "$match": { "conversation": { "$in": ids } } },
                    doc! { "$sort": { "conversation": -1, "seq": -1 } },
                    doc! { "$group": { "_id": "$conversation", "head": { "$first": "$$ROOT" } } },
                    doc! { "$replaceRoot": { "newRoot": "$head" } },
                ];
                let cursor = self
                    .entries
                    .aggregate(pipeline)
                    .hint(by_seq())
                    .batch_size(batch_size(CHUNK))
                    .with_type::<StoredEntry>()
                    .await?;
                let found: Vec<StoredEntry> = cursor.try_collect().await?;
                heads.extend(found.into_iter().map(|stored| Arc::new(stored.into())));
            }
            Ok(heads)
        })
        .await
    }

    async fn read(
        &self,
        conversation: &ConversationId,
        after: Seq,
        to: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        if after >= to || limit == 0 {
            return Ok(Vec::new());
        }
        let filter =
            doc! { "conversation": conversation.as_str(), "seq": { "$gt": bound(after), "$lte": bound(to) } };
        self.reads("read", self.page(filter, 1, limit)).await
    }

    async fn read_back(
        &self,
        conversation: &ConversationId,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        if before <= 1 || limit == 0 {
            return Ok(Vec::new());
        }
        let filter = doc! { "conversation": conversation.as_str(), "seq": { "$lt": bound(before) } };
        let mut page = self.reads("read_back", self.page(filter, -1, limit)).await?;
        page.reverse();
        Ok(page)
    }

    async fn messages(
        &self,
        conversation: &ConversationId,
        range: &MessageRange,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        if range.after >= range.to || limit == 0 {
            return Ok(Vec::new());
        }
        let direction = match range.end {
            RangeEnd::Lowest => 1,
            RangeEnd::Highest => -1,
        };
        self.reads("messages", async {
            let mut filter = self.numbered(conversation, range.after, range.to).await?;
            if let Some(sender) = &range.sender {
                filter.insert("sender", sender.as_str());
            }
            let cursor = self
                .entries
                .find(filter)
                .sort(doc! { "seq": direction })
                .skip(range.skip as u64)
                .limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .batch_size(batch_size(limit))
                .hint(by_seq())
                .await?;
            let found: Vec<StoredEntry> = cursor.try_collect().await?;
            let mut page: Vec<_> = found.into_iter().map(|stored| Arc::new(stored.into())).collect();
            if range.end == RangeEnd::Highest {
                page.reverse();
            }
            Ok(page)
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
        if after >= to {
            return Ok(Tally::default());
        }
        let day = doc! { "$subtract": ["$at", { "$mod": ["$at", DAY_MS] }] };
        self.reads("tally", async {
            let filter = self.numbered(conversation, after, to).await?;
            let pipeline = [
                doc! { "$match": filter },
                doc! { "$facet": {
                    "days": [{ "$group": { "_id": day, "messages": { "$sum": 1_i64 } } }],
                    "senders": [{ "$group": { "_id": "$sender" } }, { "$count": "count" }],
                } },
            ];
            let cursor = self
                .entries
                .aggregate(pipeline)
                .hint(by_seq())
                .max_time(self.settings.read_timeout)
                .with_type::<StoredTally>()
                .await?;
            let found: Vec<StoredTally> = cursor.try_collect().await?;
            let mut tally = found.into_iter().next().map(Tally::from).unwrap_or_default();
            tally.days.sort_unstable_by(|a, b| b.cmp(a));
            tally.days.truncate(days);
            Ok(tally)
        })
        .await
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        keys: &[(UserId, ClientId)],
    ) -> Result<Vec<Arc<Entry>>, Unavailable> {
        // Each branch names the whole index prefix; with the conversation outside of the `$or` the index would be
        // scanned for all of it.
        let branch = |sender: &str, client_ids: Vec<&str>| {
            doc! { "conversation": conversation.as_str(), "sender": sender, "client_id": { "$in": client_ids } }
        };
        self.reads("find", async {
            let mut found = Vec::with_capacity(keys.len());
            for chunk in keys.chunks(CHUNK) {
                let pairs = chunk
                    .iter()
                    .map(|(sender, client_id)| (sender.as_str(), client_id.as_str()));
                let branches = grouped(pairs)
                    .into_iter()
                    .map(|(sender, ids)| branch(sender, ids))
                    .collect();
                self.find_any(branches, CONVERSATION_SENDER_CLIENT_ID, &mut found)
                    .await?;
            }
            Ok(found)
        })
        .await
    }

    async fn at(&self, places: &[(ConversationId, Seq)]) -> Result<Vec<Arc<Entry>>, Unavailable> {
        let branch = |conversation: &str, seqs: Vec<i64>| doc! { "conversation": conversation, "seq": { "$in": seqs } };
        self.reads("at", async {
            let mut found = Vec::with_capacity(places.len());
            for chunk in places.chunks(CHUNK) {
                let pairs = chunk
                    .iter()
                    .map(|(conversation, seq)| (conversation.as_str(), bound(*seq)));
                let branches = grouped(pairs)
                    .into_iter()
                    .map(|(id, seqs)| branch(id, seqs))
                    .collect();
                self.find_any(branches, CONVERSATION_SEQ, &mut found).await?;
            }
            Ok(found)
        })
        .await
    }
}

impl Mongo {
    async fn page(
        &self,
        filter: Document,
        direction: i32,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, CallError> {
        let cursor = self
            .entries
            .find(filter)
            .sort(doc! { "seq": direction })
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .batch_size(batch_size(limit))
            .hint(by_seq())
            .await?;
        let found: Vec<StoredEntry> = cursor.try_collect().await?;
        Ok(found.into_iter().map(|stored| Arc::new(stored.into())).collect())
    }

    async fn find_any(
        &self,
        branches: Vec<Document>,
        index: &str,
        into: &mut Vec<Arc<Entry>>,
    ) -> Result<(), CallError> {
        let cursor = self
            .entries
            .find(doc! { "$or": branches })
            .batch_size(batch_size(CHUNK))
            .hint(Hint::Name(index.to_owned()))
            .await?;
        let found: Vec<StoredEntry> = cursor.try_collect().await?;
        into.extend(found.into_iter().map(|stored| Arc::new(stored.into())));
        Ok(())
    }
}

/// What the server has counted.
#[derive(Debug, Deserialize)]
struct StoredTally {
    days: Vec<StoredDay>,
    /// One, or none where there are no messages.
    senders: Vec<StoredCount>,
}

#[derive(Debug, Deserialize)]
struct StoredDay {
    #[serde(rename = "_id")]
    day: i64,
    messages: u64,
}

#[derive(Debug, Deserialize)]
struct StoredCount {
    count: u64,
}

impl From<StoredTally> for Tally {
    fn from(stored: StoredTally) -> Self {
        let days = stored.days.into_iter().map(|day| (day.day, day.messages));
        Self {
            senders: stored.senders.first().map_or(0, |senders| senders.count),
            days: days.collect(),
        }
    }
}

/// Reads the outcome of an ordered insert.
///
/// The server waits for the majority also after a write error, for whatever was written before it, and reports a
/// failure of that as a write-concern error beside the write error. So a collision without one means that the
/// entries before it are safe; anything else leaves all of them in doubt.
fn insert_error(error: CallError) -> InsertError {
    if let CallError::Driver(error) = &error
        && let Some(index) = lone_collision(error)
    {
        return InsertError::Duplicate { index };
    }
    InsertError::Unknown(match error {
        CallError::Driver(error) => describe(&error),
        other => Unavailable::from(other).reason,
    })
}

fn lone_collision(error: &Error) -> Option<usize> {
    let ErrorKind::InsertMany(outcome) = &*error.kind else {
        return None;
    };
    match (outcome.write_errors.as_deref(), &outcome.write_concern_error) {
        (Some([write]), None) if write.code == DUPLICATE_KEY => Some(write.index),
        _ => None,
    }
}

pub(crate) fn by_seq() -> Hint {
    Hint::Name(CONVERSATION_SEQ.to_owned())
}

/// A seq in a filter. Nothing is stored beyond what BSON holds, so the largest number stands for all beyond it.
pub(crate) fn bound(seq: Seq) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Large enough that an ordinary result comes in the first reply.
fn batch_size(expected: usize) -> u32 {
    u32::try_from(expected).unwrap_or(u32::MAX).clamp(1, 10_000)
}

/// Collects the second halves by the first.
fn grouped<'a, T: Into<Bson>>(pairs: impl Iterator<Item = (&'a str, T)>) -> HashMap<&'a str, Vec<T>> {
    let mut groups: HashMap<&str, Vec<T>> = HashMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_collision_with_a_majority_behind_it_is_certain() {
        let check = |reply: Document, expected: Option<usize>| {
            let outcome = bson::deserialize_from_document(reply.clone()).unwrap();
            let error = insert_error(CallError::Driver(ErrorKind::InsertMany(outcome).into()));
            match expected {
                Some(index) => assert_eq!(error, InsertError::Duplicate { index }, "{reply}"),
                None => assert!(matches!(error, InsertError::Unknown(_)), "{reply}"),
            }
        };
        let collision =
            |index: i32| doc! { "index": index, "code": 11000, "errmsg": "E11000 duplicate key error" };
        let no_majority =
            doc! { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out" };
        let invalid = doc! { "index": 0, "code": 121, "errmsg": "Document failed validation" };
        check(doc! { "writeErrors": [collision(0)] }, Some(0));
        check(doc! { "writeErrors": [collision(255)] }, Some(255));
        check(
            doc! { "writeErrors": [collision(3)], "writeConcernError": no_majority.clone() },
            None,
        );
        check(doc! { "writeConcernError": no_majority }, None);
        check(doc! { "writeErrors": [invalid.clone()] }, None);
        check(doc! { "writeErrors": [collision(0), invalid] }, None);
        check(doc! { "writeErrors": [] }, None);
        let timed_out = insert_error(CallError::TimedOut(std::time::Duration::from_secs(5)));
        assert_eq!(timed_out, InsertError::Unknown("no answer within 5s".into()));
    }
}
