//! How far sinks were told, and a sink.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use starling_protocol::{ConversationId, Seq};

use super::faults::{Latency, Link};
use super::replicas::Write;
use super::store::MemoryStore;
use crate::ports::{
    ConversationRecord, EventCursor, EventCursors, EventPage, EventSink, PublishError, Published, Unavailable,
};

#[async_trait]
impl EventCursors for MemoryStore {
    async fn told_since(&self, sink: &'static str, now: i64) -> Result<i64, Unavailable> {
        self.writing(|replicas, _| {
            if let Some(since) = replicas.primary().tables.told_since(sink) {
                return since;
            }
            replicas.write(Write::ToldSince(sink, now));
            now
        })
        .await
    }

    async fn cursors(
        &self,
        sink: &'static str,
        conversations: &[ConversationId],
    ) -> Result<Vec<EventCursor>, Unavailable> {
        self.reading(|data| {
            let records = conversations.iter().filter_map(|id| data.tables.conversation(id));
            records
                .map(|record| cursor(record, data.tables.told(sink, &record.id)))
                .collect()
        })
        .await
    }

    async fn scan_cursors(
        &self,
        sink: &'static str,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<EventCursor>, Unavailable> {
        self.reading(|data| {
            let records = data.tables.conversations_after(after).take(limit);
            records
                .map(|record| cursor(record, data.tables.told(sink, &record.id)))
                .collect()
        })
        .await
    }

    async fn raise_cursors(
        &self,
        sink: &'static str,
        cursors: &[(ConversationId, Seq)],
    ) -> Result<(), Unavailable> {
        self.writing(|replicas, _| {
            for (conversation, seq) in cursors {
                replicas.write(Write::Told(sink, conversation.clone(), *seq));
            }
        })
        .await
    }
}

fn cursor(record: &ConversationRecord, told: Option<Seq>) -> EventCursor {
    EventCursor {
        conversation: record.id.clone(),
        kind: record.kind,
        created_at: record.created_at,
        told,
    }
}

/// A system outside that keeps what it is told. Clones are the same system, and its name is `memory`.
#[derive(Clone)]
pub struct MemorySink {
    link: Arc<Link>,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    pages: Vec<EventPage>,
    refused: Option<(ConversationId, Seq)>,
}

impl Default for MemorySink {
    fn default() -> Self {
        Self::new()
    }
}

impl MemorySink {
    /// One that was told nothing yet.
    pub fn new() -> Self {
        Self {
            link: Arc::new(Link::new("the sink", None)),
            kept: Arc::default(),
        }
    }

    /// Takes it away, or gives it back.
    pub fn set_reachable(&self, reachable: bool) {
        self.link.set_reachable(reachable);
    }

    /// How long publishing takes from now on.
    pub fn set_latency(&self, latency: Latency) {
        self.link.set_latency(latency);
    }

    /// The next so many pages are kept, and answered as if they might not have been.
    pub fn lose_replies(&self, count: usize) {
        self.link.lose_replies(count);
    }

    /// Refuses one entry until it is told otherwise.
    pub fn refuse(&self, entry: Option<(ConversationId, Seq)>) {
        self.kept.lock().refused = entry;
    }

    /// What it was told of a conversation, as it came.
    pub fn seqs(&self, conversation: &ConversationId) -> Vec<Seq> {
        let kept = self.kept.lock();
        let entries = kept.pages.iter().flat_map(|page| &page.entries);
        entries
            .filter(|entry| entry.conversation == *conversation)
            .map(|entry| entry.seq)
            .collect()
    }

    /// All that it was told, as it came.
    pub fn pages(&self) -> Vec<EventPage> {
        self.kept.lock().pages.clone()
    }
}

#[async_trait]
impl EventSink for MemorySink {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn publish(&self, page: &EventPage) -> Published {
        let published = self.link.call(|_| {
            let mut kept = self.kept.lock();
            let refused = kept.refused.clone();
            let is_refused = |place: (ConversationId, Seq)| refused.as_ref() == Some(&place);
            let wanted = page
                .entries
                .iter()
                .take_while(|entry| !is_refused((entry.conversation.clone(), entry.seq)))
                .count();
            let mut page = page.clone();
            let all = page.entries.len();
            page.entries.truncate(wanted);
            kept.pages.push(page);
            Published {
                accepted: wanted,
                failure: (wanted < all).then(|| PublishError::Refused("told to".into())),
            }
        });
        published.await.unwrap_or_else(|unavailable| Published {
            accepted: 0,
            failure: Some(PublishError::Away(unavailable.to_string())),
        })
    }
}
