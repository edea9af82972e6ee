//! MongoDB by itself: what it holds, and how fast it takes what Starling would store.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Result;
use bson::{Document, doc};
use mongodb::options::{IndexOptions, WriteConcern};
use mongodb::{Client, Collection, IndexModel};
use tokio::task::JoinSet;
use tokio::time::Instant;

const CONVERSATIONS: i64 = 200;

/// A client of the shared MongoDB.
pub(crate) struct Store(Client);

impl Store {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        Ok(Self(Client::with_uri_str(url).await?))
    }

    /// How many messages Starling has stored whose sender's name begins so.
    pub(crate) async fn starling_messages(&self, database: &str, name: &str) -> Result<u64> {
        let entries: Collection<Document> = self.0.database(database).collection("entries");
        let filter = doc! {
            "sender": { "$regex": format!("^{name}-") },
            "body.message": { "$exists": true },
        };
        Ok(entries.count_documents(filter).await?)
    }

    /// How many messages the yardstick has stored whose sender's name begins so.
    pub(crate) async fn yardstick_messages(&self, database: &str, name: &str) -> Result<u64> {
        let messages: Collection<Document> = self.0.database(database).collection("messages");
        let filter = doc! { "senderId": { "$regex": format!("^{name}-") } };
        Ok(messages.count_documents(filter).await?)
    }

    /// Documents a second that `tasks` at once store at majority in batches of `batch`, each document like an
    /// entry, under the log's two unique keys.
    pub(crate) async fn insert_rate(&self, tasks: usize, batch: usize, time: Duration) -> Result<f64> {
        let database = self.0.database("bench_inserts");
        let collection: Collection<Document> = database.collection("entries");
        collection.drop().await?;
        let unique = |keys| {
            IndexModel::builder()
                .keys(keys)
                .options(IndexOptions::builder().unique(true).build())
                .build()
        };
        collection
            .create_indexes([
                unique(doc! { "conversation": 1, "seq": 1 }),
                unique(doc! { "conversation": 1, "sender": 1, "client_id": 1 }),
            ])
            .await?;
        let number = Arc::new(AtomicI64::new(0));
        let end = Instant::now() + time;
        let mut inserts = JoinSet::new();
        for _ in 0..tasks {
            let (collection, number) = (collection.clone(), number.clone());
            inserts.spawn(async move {
                let mut stored = 0;
                while Instant::now() < end {
                    let first = number.fetch_add(batch as i64, Ordering::Relaxed);
                    let documents: Vec<_> = (first..first + batch as i64).map(entry).collect();
                    collection
                        .insert_many(documents)
                        .write_concern(WriteConcern::majority())
                        .await?;
                    stored += batch;
                }
                Ok::<_, mongodb::error::Error>(stored)
            });
        }
        let mut stored = 0;
        while let Some(inserted) = inserts.join_next().await {
            stored += inserted??;
        }
        database.drop().await?;
        Ok(stored as f64 / time.as_secs_f64())
    }
}

fn entry(number: i64) -> Document {
    doc! {
        "conversation": format!("g.conversation-{}", number % CONVERSATIONS),
        "seq": number / CONVERSATIONS,
        "sender": "user-0-0",
        "client_id": format!("user-0-0-{number}"),
        "lamport": number,
        "at": 1_767_225_600_000_i64,
        "messages": number,
        "membership": 1_i64,
        "body": { "message": { "text": "The quick brown fox jumps over the lazy dog, and then once more." } },
    }
}
