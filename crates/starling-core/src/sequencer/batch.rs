//! What an actor is about to append, and what it has appended lately.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use starling_protocol::Entry;

use super::operation::{Key, Operation};
use crate::lru_cache::lru_cache;

/// Bounds of one batch.
pub(crate) const MAX_BATCH: usize = 256;
pub(crate) const MAX_BATCH_BYTES: usize = 1 << 20;

/// Keys of lately stored entries that an actor remembers: enough for the doubles of a reconnecting client.
const RECENT: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// Operations with the entries that they become, in order.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) operations: Vec<Operation>,
    pub(crate) entries: Vec<Arc<Entry>>,
    pub(crate) bytes: usize,
}

impl Batch {
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= MAX_BATCH || self.bytes >= MAX_BATCH_BYTES
    }

    pub(crate) fn push(&mut self, operation: Operation, entry: Arc<Entry>) {
        self.bytes += operation.weight();
        self.operations.push(operation);
        self.entries.push(entry);
    }
}

/// The entries stored lately by this actor, by idempotency key.
pub(crate) struct Recent(LruCache<Key, Arc<Entry>>);

impl Recent {
    pub(crate) fn new() -> Self {
        Self(lru_cache(RECENT))
    }

    pub(crate) fn note(&mut self, entry: &Arc<Entry>) {
        if let (Some(sender), Some(client_id)) = (&entry.sender, &entry.client_id) {
            self.0.put((sender.clone(), client_id.clone()), entry.clone());
        }
    }

    pub(crate) fn find(&mut self, key: &Key) -> Option<Arc<Entry>> {
        self.0.get(key).cloned()
    }
}
