//! Counting what there is. Each of these reads much; none of them is asked by what is said.

use async_trait::async_trait;
use bson::{Document, doc};
use futures::TryStreamExt;
use futures::future::try_join3;
use mongodb::Collection;
use mongodb::options::Hint;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use starling_core::ports::{DAY_MS, Statistics, Tally, Totals, Unavailable};
use starling_protocol::{ConversationId, UserId};

use crate::Mongo;
use crate::call::CallError;
use crate::indexes::{CONVERSATION_SENDER_CLIENT_ID, CONVERSATION_SEQ, ID};

/// Conversations in one query; more are asked for in several.
const CHUNK: usize = 500;

#[derive(Debug, Deserialize)]
struct Count {
    count: u64,
}

#[derive(Debug, Deserialize)]
struct Day {
    #[serde(rename = "_id")]
    day: i64,
    entries: u64,
    messages: u64,
}

#[derive(Debug, Default, Deserialize)]
struct Counted {
    days: Vec<Day>,
    /// One, or none where there are no messages.
    senders: Vec<Count>,
}

#[async_trait]
impl Statistics for Mongo {
    async fn totals(&self) -> Result<Totals, Unavailable> {
        self.reads("totals", async {
            // The server turns exactly this shape into a DISTINCT_SCAN: one seek for each log.
            let heads = vec![
                doc! { "$sort": { "conversation": -1, "seq": -1 } },
                doc! { "$group": { "_id": "$conversation", "head": { "$first": "$$ROOT" } } },
                doc! { "$group": { "_id": null, "count": { "$sum": "$head.messages" } } },
            ];
            let there = doc! { "dissolved": { "$exists": false } };
            let (messages, conversations, users) = try_join3(
                self.count(&self.entries, heads, CONVERSATION_SEQ),
                self.count(&self.conversations, counting(there), ID),
                self.count(&self.users, counting(doc! {}), ID),
            )
            .await?;
            Ok(Totals {
                conversations,
                messages,
                users,
            })
        })
        .await
    }

    /// Ids of entries begin with the second in which they were made: the newest ones stand last.
    async fn tally_newest(&self, entries: usize) -> Result<Tally, Unavailable> {
        let pipeline = [
            doc! { "$sort": { "_id": -1 } },
            doc! { "$limit": limit(entries) },
            doc! { "$facet": {
                "days": [by_day()],
                "senders": [
                    { "$match": { "body.message": { "$exists": true } } },
                    { "$group": { "_id": "$sender" } },
                    { "$count": "count" },
                ],
            } },
        ];
        self.reads("tally_newest", async {
            let cursor = self
                .entries
                .aggregate(pipeline)
                .hint(Hint::Name(ID.to_owned()))
                .max_time(self.settings.read_timeout)
                .with_type::<Counted>()
                .await?;
            let found: Vec<Counted> = cursor.try_collect().await?;
            let counted = found.into_iter().next().unwrap_or_default();
            Ok(Tally {
                senders: counted.senders.first().map_or(0, |senders| senders.count),
                days: sorted(counted.days),
            })
        })
        .await
    }

    async fn sent_by(
        &self,
        user: &UserId,
        conversations: &[ConversationId],
        entries: usize,
    ) -> Result<Vec<(i64, u64)>, Unavailable> {
        self.reads("sent_by", async {
            let (mut days, mut left) = (Vec::new(), entries as u64);
            for chunk in conversations.chunks(CHUNK) {
                if left == 0 {
                    break;
                }
                let ids: Vec<&str> = chunk.iter().map(ConversationId::as_str).collect();
                let pipeline = [
                    doc! { "$match": {
                        "conversation": { "$in": ids },
                        "sender": user.as_str(),
                        // What the index is limited to.
                        "client_id": { "$exists": true },
                    } },
                    doc! { "$limit": i64::try_from(left).unwrap_or(i64::MAX) },
                    by_day(),
                ];
                let cursor = self
                    .entries
                    .aggregate(pipeline)
                    .hint(Hint::Name(CONVERSATION_SENDER_CLIENT_ID.to_owned()))
                    .max_time(self.settings.read_timeout)
                    .with_type::<Day>()
                    .await?;
                let found: Vec<Day> = cursor.try_collect().await?;
                left = left.saturating_sub(found.iter().map(|day| day.entries).sum());
                days.extend(found);
            }
            Ok(sorted(days))
        })
        .await
    }
}

impl Mongo {
    /// What a pipeline counts that ends with at most one document, which has a `count`.
    async fn count<T: DeserializeOwned + Send + Sync>(
        &self,
        collection: &Collection<T>,
        pipeline: Vec<Document>,
        index: &str,
    ) -> Result<u64, CallError> {
        let cursor = collection
            .aggregate(pipeline)
            .hint(Hint::Name(index.to_owned()))
            .max_time(self.settings.read_timeout)
            .with_type::<Count>()
            .await?;
        let found: Vec<Count> = cursor.try_collect().await?;
        Ok(found.first().map_or(0, |found| found.count))
    }
}

fn counting(of: Document) -> Vec<Document> {
    vec![doc! { "$match": of }, doc! { "$count": "count" }]
}

fn by_day() -> Document {
    let day = doc! { "$subtract": ["$at", { "$mod": ["$at", DAY_MS] }] };
    let is_message = doc! { "$eq": [{ "$type": "$body.message" }, "object"] };
    doc! { "$group": {
        "_id": day,
        "entries": { "$sum": 1_i64 },
        "messages": { "$sum": { "$cond": [is_message, 1_i64, 0_i64] } },
    } }
}

fn limit(entries: usize) -> i64 {
    i64::try_from(entries).unwrap_or(i64::MAX).max(1)
}

/// The newest day first, each once.
fn sorted(mut days: Vec<Day>) -> Vec<(i64, u64)> {
    days.sort_unstable_by_key(|day| std::cmp::Reverse(day.day));
    days.dedup_by(|next, kept| {
        let same = next.day == kept.day;
        if same {
            kept.messages += next.messages;
        }
        same
    });
    let said = days.into_iter().filter(|day| day.messages > 0);
    said.map(|day| (day.day, day.messages)).collect()
}
