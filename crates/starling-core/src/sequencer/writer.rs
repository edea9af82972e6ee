//! Group commit: the batches of many conversations in few ordered inserts.

use std::sync::Arc;

use starling_protocol::Entry;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::event::entry_weight;
use crate::ports::{EntryLog, InsertError};

/// Bounds of one insert, well under the store's 16 MB.
const MAX_ENTRIES: usize = 2_000;
const MAX_BYTES: usize = 6 << 20;

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    /// All of it is stored at majority.
    Stored,
    /// The first `stored` entries are; the next collided, and none after it was attempted.
    Collided { stored: usize },
    /// Not known; it may still be stored later.
    Unknown(String),
}

/// One conversation's batch, contiguous, with who waits for it.
struct Batch {
    entries: Vec<Arc<Entry>>,
    done: oneshot::Sender<Written>,
}

/// The node's one way to insert entries. Each conversation has at most one batch here at a time, which its
/// actor sees to.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Batch>,
}

impl Writer {
    /// Starts the writer; it ends when the last handle is dropped.
    pub(crate) fn start(log: Arc<dyn EntryLog>, in_flight: usize) -> Self {
        let (queue, batches) = mpsc::channel(1024);
        tokio::spawn(run(log, in_flight.max(1), batches));
        Self { queue }
    }

    /// Inserts a batch. Once called, the batch may be stored even if the future is dropped.
    pub(crate) async fn insert(&self, entries: Vec<Arc<Entry>>) -> Written {
        let (done, written) = oneshot::channel();
        if self.queue.send(Batch { entries, done }).await.is_err() {
            return Written::Unknown("the writer has ended".into());
        }
        written
            .await
            .unwrap_or_else(|_| Written::Unknown("the writer gave no answer".into()))
    }
}

async fn run(log: Arc<dyn EntryLog>, in_flight: usize, mut batches: mpsc::Receiver<Batch>) {
    let permits = Arc::new(Semaphore::new(in_flight));
    let mut next = None;
    loop {
        let Some(first) = (match next.take() {
            Some(batch) => Some(batch),
            None => batches.recv().await,
        }) else {
            return;
        };
        // While all inserts are under way more batches queue up: that is what merges them.
        let Ok(permit) = permits.clone().acquire_owned().await else {
            return;
        };
        let mut size = Size::of(&first);
        let mut group = vec![first];
        while let Ok(batch) = batches.try_recv() {
            if !size.take(&batch) {
                next = Some(batch);
                break;
            }
            group.push(batch);
        }
        let log = log.clone();
        tokio::spawn(async move {
            insert_group(&*log, group).await;
            drop(permit);
        });
    }
}

#[derive(Default)]
struct Size {
    entries: usize,
    bytes: usize,
}

impl Size {
    fn of(batch: &Batch) -> Self {
        let bytes = batch.entries.iter().map(|entry| 384 + entry_weight(entry)).sum();
        Self {
            entries: batch.entries.len(),
            bytes,
        }
    }

    /// Adds the batch if it fits.
    fn take(&mut self, batch: &Batch) -> bool {
        let more = Self::of(batch);
        let fits = self.entries + more.entries <= MAX_ENTRIES && self.bytes + more.bytes <= MAX_BYTES;
        if fits {
            self.entries += more.entries;
            self.bytes += more.bytes;
        }
        fits
    }
}

/// Inserts a group; a collision takes one conversation out of it, and the others go on at once.
async fn insert_group(log: &dyn EntryLog, mut group: Vec<Batch>) {
    while !group.is_empty() {
        let entries: Vec<_> = group
            .iter()
            .flat_map(|batch| batch.entries.iter().cloned())
            .collect();
        metrics::histogram!("starling_insert_entries").record(entries.len() as f64);
        match log.insert(&entries).await {
            Ok(()) => {
                for batch in group.drain(..) {
                    let _ = batch.done.send(Written::Stored);
                }
            }
            Err(InsertError::Unknown(reason)) => {
                metrics::counter!("starling_inserts_unknown_total").increment(1);
                for batch in group.drain(..) {
                    let _ = batch.done.send(Written::Unknown(reason.clone()));
                }
            }
            Err(InsertError::Duplicate { index }) => {
                metrics::counter!("starling_insert_collisions_total").increment(1);
                let mut before = 0;
                let mut rest = Vec::new();
                for batch in group.drain(..) {
                    let (start, end) = (before, before + batch.entries.len());
                    before = end;
                    if end <= index {
                        let _ = batch.done.send(Written::Stored);
                    } else if start <= index {
                        let _ = batch.done.send(Written::Collided {
                            stored: index - start,
                        });
                    } else {
                        rest.push(batch);
                    }
                }
                group = rest;
            }
        }
    }
}
