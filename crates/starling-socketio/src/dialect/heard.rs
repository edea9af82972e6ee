//! What is remembered of the log and its members' marks, so that it need not be read again. All of it is bounded, and
//! what is forgotten is read.

use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use starling_protocol::{ConversationId, Entry, Seq, UserId};

const REMEMBERED: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");

/// A message of the log.
#[derive(Debug, Clone)]
pub(super) struct HeardMessage {
    pub(super) sender: Option<UserId>,
    /// Its ordinal among the messages of its conversation.
    pub(super) number: u64,
}

/// What this node's dialects have heard.
pub(crate) struct Heard {
    messages: Mutex<LruCache<(ConversationId, Seq), HeardMessage>>,
    reads: Mutex<LruCache<(ConversationId, UserId), Seq>>,
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            messages: Mutex::new(LruCache::new(REMEMBERED)),
            reads: Mutex::new(LruCache::new(REMEMBERED)),
        }
    }
}

impl Heard {
    /// Remembers an entry, if it is a message.
    pub(super) fn note(&self, entry: &Entry) -> Option<HeardMessage> {
        if !entry.body.is_message() {
            return None;
        }
        let message = HeardMessage {
            sender: entry.sender.clone(),
            number: entry.messages,
        };
        let place = (entry.conversation.clone(), entry.seq);
        self.messages.lock().put(place, message.clone());
        Some(message)
    }

    pub(super) fn message(&self, conversation: &ConversationId, seq: Seq) -> Option<HeardMessage> {
        self.messages.lock().get(&(conversation.clone(), seq)).cloned()
    }

    /// The member has read up to here; whether that is news.
    pub(super) fn has_read(&self, conversation: &ConversationId, user: &UserId, seq: Seq) -> bool {
        let before = self.reads.lock().put((conversation.clone(), user.clone()), seq);
        before.is_none_or(|before| before < seq)
    }
}
