//! The conversations that this node has appended to lately, on their way into the queue.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use starling_protocol::ConversationId;
use tokio::sync::Notify;

use crate::chance::HashSet;

/// Beyond so many nothing is noted any more, and all conversations are looked through instead.
const AT_MOST: usize = 50_000;
/// Conversations of one command.
const CHUNK: usize = 500;

#[derive(Default)]
pub(super) struct Backlog {
    conversations: Mutex<HashSet<ConversationId>>,
    added: Notify,
    overflowed: AtomicBool,
}

impl Backlog {
    pub(super) fn add(&self, conversation: &ConversationId) {
        let mut conversations = self.conversations.lock();
        if conversations.len() >= AT_MOST && !conversations.contains(conversation) {
            self.overflowed.store(true, Ordering::Relaxed);
        } else if conversations.insert(conversation.clone()) {
            self.added.notify_one();
        }
    }

    /// Waits until something was added since this was last waited for. Cancel-safe.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    /// Takes some out; `None` if there are none.
    pub(super) fn next_chunk(&self) -> Option<Vec<ConversationId>> {
        let mut conversations = self.conversations.lock();
        let chunk: Vec<_> = conversations.iter().take(CHUNK).cloned().collect();
        for conversation in &chunk {
            conversations.remove(conversation);
        }
        (!chunk.is_empty()).then_some(chunk)
    }

    /// Whether more were added than could be noted, since this was last asked.
    pub(super) fn has_overflowed(&self) -> bool {
        self.overflowed.swap(false, Ordering::Relaxed)
    }
}
