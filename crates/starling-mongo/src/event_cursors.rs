//! How far sinks of events were told: `told.SINK` in each conversation's record, and a record for each sink.

use std::collections::HashMap;

use async_trait::async_trait;
use bson::{Document, doc};
use mongodb::options::ReturnDocument;
use serde::Deserialize;
use starling_core::ports::{EventCursor, EventCursors, Unavailable};
use starling_protocol::{ConversationId, Kind, Seq};

use crate::Mongo;
use crate::call::CallError;
use crate::effects::{number, update};
use crate::find::Find;
use crate::indexes::ID;

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
    async fn find_cursors(&self, sink: &'static str, find: Find) -> Result<Vec<EventCursor>, CallError> {
        let find = find.only(doc! { "kind": 1, "created_at": 1, path(sink): 1 });
        let conversations = self.conversations.clone_with_type::<CursorDocument>();
        let found: Vec<CursorDocument> = find.in_(&conversations).await?;
        Ok(found.into_iter().map(|found| found.of(sink)).collect())
    }
}

#[async_trait]
impl EventCursors for Mongo {
    async fn told_since(&self, sink: &'static str, now: i64) -> Result<i64, Unavailable> {
        self.writes("told_since", async {
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
        let all = Find::by(ID, doc! { "_id": { "$in": ids } });
        self.reads("cursors", self.find_cursors(sink, all)).await
    }

    async fn scan_cursors(
        &self,
        sink: &'static str,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<EventCursor>, Unavailable> {
        let after = after.map_or_else(Document::new, |id| doc! { "_id": { "$gt": id.as_str() } });
        let page = Find::by(ID, after).sorted(doc! { "_id": 1 }).at_most(limit);
        self.reads("scan_cursors", self.find_cursors(sink, page)).await
    }

    async fn raise_cursors(
        &self,
        sink: &'static str,
        cursors: &[(ConversationId, Seq)],
    ) -> Result<(), Unavailable> {
        if cursors.is_empty() {
            return Ok(());
        }
        self.writes("raise_cursors", async {
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
