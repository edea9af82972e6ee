//! How far sinks of events were told: `told.SINK` in each conversation's record, and a record for each sink.

use std::collections::HashMap;

use async_trait::async_trait;
use bson::{Document, doc};
use futures::TryStreamExt;
use mongodb::options::ReturnDocument;
use serde::Deserialize;
use starling_core::ports::{EventCursor, EventCursors, Unavailable};
use starling_protocol::{ConversationId, Kind, Seq};

use crate::Mongo;
use crate::call::{CallError, call_or_unavailable};
use crate::effects::{number, update};

/// Large enough that an ordinary result comes in the first reply.
const BATCH: u32 = 10_000;

/// A sink, as stored.
#[derive(Debug, Deserialize)]
struct SinkDocument {
    since: i64,
}

/// What is read of a conversation.
#[derive(Debug, Deserialize)]
struct CursorDocument {
    #[serde(rename = "_id")]
    id: ConversationId,
    kind: Kind,
    created_at: i64,
    #[serde(default)]
    told: HashMap<String, u64>,
}

impl CursorDocument {
    fn of(self, sink: &str) -> EventCursor {
        EventCursor {
            told: self.told.get(sink).copied(),
            conversation: self.id,
            kind: self.kind,
            created_at: self.created_at,
        }
    }
}

impl Mongo {
    async fn find_cursors(
        &self,
        sink: &'static str,
        filter: Document,
        limit: Option<usize>,
    ) -> Result<Vec<EventCursor>, CallError> {
        let conversations = self.conversations.clone_with_type::<CursorDocument>();
        let mut find = conversations
            .find(filter)
            .projection(doc! { "kind": 1, "created_at": 1, path(sink): 1 })
            .batch_size(BATCH);
        if let Some(limit) = limit {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            find = find.sort(doc! { "_id": 1 }).limit(limit);
        }
        let cursors = find.await?.map_ok(|found| found.of(sink));
        Ok(cursors.try_collect().await?)
    }
}

#[async_trait]
impl EventCursors for Mongo {
    async fn told_since(&self, sink: &'static str, now: i64) -> Result<i64, Unavailable> {
        call_or_unavailable("told_since", self.settings.write_timeout, async {
            let sinks = self.database.collection::<SinkDocument>("event_sinks");
            let update = doc! { "$setOnInsert": { "since": now } };
            let found = sinks
                .find_one_and_update(doc! { "_id": sink }, update)
                .upsert(true)
                .return_document(ReturnDocument::After)
                .await?;
            let found = found.ok_or_else(|| CallError::Reply("the sink was not kept".into()))?;
            Ok(found.since)
        })
        .await
    }

    async fn cursors(
        &self,
        sink: &'static str,
        conversations: &[ConversationId],
    ) -> Result<Vec<EventCursor>, Unavailable> {
        if conversations.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = conversations.iter().map(ConversationId::as_str).collect();
        let find = self.find_cursors(sink, doc! { "_id": { "$in": ids } }, None);
        call_or_unavailable("cursors", self.settings.read_timeout, find).await
    }

    async fn scan_cursors(
        &self,
        sink: &'static str,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<EventCursor>, Unavailable> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let filter = after.map_or_else(Document::new, |id| doc! { "_id": { "$gt": id.as_str() } });
        let find = self.find_cursors(sink, filter, Some(limit));
        call_or_unavailable("scan_cursors", self.settings.read_timeout, find).await
    }

    async fn raise_cursors(
        &self,
        sink: &'static str,
        cursors: &[(ConversationId, Seq)],
    ) -> Result<(), Unavailable> {
        if cursors.is_empty() {
            return Ok(());
        }
        call_or_unavailable("raise_cursors", self.settings.write_timeout, async {
            let statements = cursors.iter().map(|(conversation, seq)| {
                let raised = doc! { path(sink): number(*seq)? };
                Ok(doc! { "q": { "_id": conversation.as_str() }, "u": { "$max": raised } })
            });
            let statements = statements.collect::<Result<_, CallError>>()?;
            update(self, "conversations", statements).await
        })
        .await
    }
}

/// Names of sinks are letters, so that they can be names of fields.
fn path(sink: &str) -> String {
    format!("told.{sink}")
}
