//! Group commit: the batches of many conversations in few ordered inserts.

use std::sync::Arc;

use starling_protocol::Entry;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::event::entry_weight;
use crate::ports::{EntryLog, InsertError};

/// Bounds of one insert, well under the store's 16 MB.
const MAX_ENTRIES: usize = 2_000;
const MAX_BYTES: usize = 6 << 20;
/// While an insert is under way, another is begun beside it only for so many entries; fewer wait for its end, and grow.
/// The store spends on an entry half as much in an insert of a hundred as in one of thirty.
const WORTH_ANOTHER: usize = 128;

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
    let mut under_way = JoinSet::new();
    let mut group = Group::default();
    // What did not fit into the group.
    let mut next = None;
    loop {
        while next.is_none()
            && let Ok(batch) = batches.try_recv()
        {
            next = group.take(batch);
        }
        let is_due = match under_way.len() {
            0 => group.entries > 0,
            count if count < in_flight => group.entries >= WORTH_ANOTHER || next.is_some(),
            _ => false,
        };
        if is_due {
            let (log, due) = (log.clone(), std::mem::take(&mut group));
            under_way.spawn(async move { insert_group(&*log, due.batches).await });
            next = next.and_then(|batch| group.take(batch));
            continue;
        }
        tokio::select! {
            biased;
            Some(_) = under_way.join_next() => {}
            batch = batches.recv(), if next.is_none() => match batch {
                Some(batch) => next = group.take(batch),
                // Nobody waits for what is under way; it may be stored all the same.
                None => return under_way.detach_all(),
            },
        }
    }
}

/// Batches of different conversations for one insert.
#[derive(Default)]
struct Group {
    batches: Vec<Batch>,
    entries: usize,
    bytes: usize,
}

impl Group {
    /// Adds the batch; gives it back if it does not fit. An empty group takes any.
    fn take(&mut self, batch: Batch) -> Option<Batch> {
        let entries = self.entries + batch.entries.len();
        let weights = batch.entries.iter().map(|entry| 384 + entry_weight(entry));
        let bytes = self.bytes + weights.sum::<usize>();
        if !self.batches.is_empty() && (entries > MAX_ENTRIES || bytes > MAX_BYTES) {
            return Some(batch);
        }
        (self.entries, self.bytes) = (entries, bytes);
        self.batches.push(batch);
        None
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
