//! What is remembered of the log, of its members' marks and of who is there, so that it need not be read again. All of
//! it is bounded, and what is forgotten is read.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use starling_core::lru_cache;
use starling_protocol::{ConversationId, Entry, Seq, UserId};

const REMEMBERED: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");

/// A message of the log.
#[derive(Debug, Clone)]
pub(crate) struct HeardMessage {
    pub(super) sender: Option<UserId>,
    /// Its ordinal among the messages of its conversation.
    pub(super) number: u64,
    /// When it was sent.
    pub(super) at: i64,
}

/// What this node's dialects have heard.
pub(crate) struct Heard {
    messages: Mutex<LruCache<(ConversationId, Seq), HeardMessage>>,
    reads: Mutex<LruCache<(ConversationId, UserId), Seq>>,
    there: Arc<Mutex<There>>,
}

/// Who is there, and how many clients of this node are told of it. While there are none it is not heard, and so not
/// remembered.
struct There {
    users: LruCache<UserId, bool>,
    watchers: usize,
}

/// A client that is told of who is there, until dropped.
pub(crate) struct Watcher(Arc<Mutex<There>>);

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut there = self.0.lock();
        there.watchers -= 1;
        if there.watchers == 0 {
            there.users.clear();
        }
    }
}

fn empty<K: Hash + Eq, V>() -> Mutex<LruCache<K, V>> {
    Mutex::new(lru_cache(REMEMBERED))
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            messages: empty(),
            reads: empty(),
            there: Arc::new(Mutex::new(There {
                users: lru_cache(REMEMBERED),
                watchers: 0,
            })),
        }
    }
}

impl Heard {
    /// Remembers an entry, if it is a message.
    pub(crate) fn note(&self, entry: &Entry) -> Option<HeardMessage> {
        if !entry.body.is_message() {
            return None;
        }
        let message = HeardMessage {
            sender: entry.sender.clone(),
            number: entry.messages,
            at: entry.at,
        };
        let place = (entry.conversation.clone(), entry.seq);
        self.messages.lock().put(place, message.clone());
        Some(message)
    }

    pub(crate) fn message(&self, conversation: &ConversationId, seq: Seq) -> Option<HeardMessage> {
        self.messages.lock().get(&(conversation.clone(), seq)).cloned()
    }

    /// The member has read up to here; if that is news, up to where he had before (0 where that is not remembered).
    pub(super) fn has_read(&self, conversation: &ConversationId, user: &UserId, seq: Seq) -> Option<Seq> {
        let before = self.reads.lock().put((conversation.clone(), user.clone()), seq);
        Some(before.unwrap_or(0)).filter(|before| *before < seq)
    }

    /// A client is told of who is there from now on.
    pub(super) fn watch(&self) -> Watcher {
        self.there.lock().watchers += 1;
        Watcher(self.there.clone())
    }

    /// The user is there now, or not; whether that is news.
    pub(super) fn is_there(&self, user: &UserId, there: bool) -> bool {
        self.there.lock().users.put(user.clone(), there) != Some(there)
    }
}
