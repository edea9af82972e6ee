//! What the driver and the handles both touch.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use starling_protocol::{ConversationId, Seq, UserId};
use tokio::sync::{Notify, watch};

use crate::{Error, Event};

/// What a client has been through since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections that a node has taken, the first among them.
    pub connections: u64,
    /// Entries that the server sent although they were applied already.
    pub duplicates: u64,
    /// Holes in a conversation's stream that were seen, and filled from the log before anything went on.
    pub gaps: u64,
    /// Sends that went out again, for whatever reason.
    pub resends: u64,
    /// Of these, sends whose outcome was not known: marked `retry`.
    pub uncertain: u64,
    /// Sends that the server put off (`rate_limited`, `unavailable`). A send that is put off may be stored
    /// behind a later one that was under way at the same time.
    pub put_off: u64,
}

/// [`Stats`] as they are counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) resends: AtomicU64,
    pub(crate) uncertain: AtomicU64,
    pub(crate) put_off: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    fn snapshot(&self) -> Stats {
        Stats {
            connections: Self::get(&self.connections),
            duplicates: Self::get(&self.duplicates),
            gaps: Self::get(&self.gaps),
            resends: Self::get(&self.resends),
            uncertain: Self::get(&self.uncertain),
            put_off: Self::get(&self.put_off),
        }
    }
}

/// Where the client stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) phase: Phase,
    pub(crate) user: Option<UserId>,
    pub(crate) node: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    #[default]
    Away,
    Ready,
    Live,
    Ended,
}

/// How far the application has read, which may be behind what the driver has received.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    cursors: HashMap<ConversationId, Seq>,
    /// Conversations whose cursor has moved since it was marked delivered.
    unmarked: HashSet<ConversationId>,
}

impl Taken {
    /// Notes that the application has the event. Returns whether there is something to mark that was not before.
    pub(crate) fn note(&mut self, event: &Event) -> bool {
        match event {
            Event::Entry(entry) => {
                match self.cursors.get_mut(&entry.conversation) {
                    Some(cursor) => *cursor = entry.seq,
                    None => {
                        self.cursors.insert(entry.conversation.clone(), entry.seq);
                    }
                }
                let idle = self.unmarked.is_empty();
                if !self.unmarked.contains(&entry.conversation) {
                    self.unmarked.insert(entry.conversation.clone());
                }
                idle
            }
            Event::Conversation(state) => {
                let cursor = self.cursors.entry(state.conversation.id.clone()).or_default();
                *cursor = state.cursor.max(*cursor);
                false
            }
            _ => false,
        }
    }

    /// Up to `count` conversations to mark, with the place to mark; they count as marked from now on.
    pub(crate) fn take_unmarked(&mut self, count: usize) -> Vec<(ConversationId, Seq)> {
        let ids: Vec<_> = self.unmarked.iter().take(count).cloned().collect();
        ids.into_iter()
            .map(|id| {
                self.unmarked.remove(&id);
                let seq = self.cursors.get(&id).copied().unwrap_or_default();
                (id, seq)
            })
            .collect()
    }

    /// A mark was lost on its way.
    pub(crate) fn unmark(&mut self, id: ConversationId) {
        self.unmarked.insert(id);
    }

    pub(crate) fn has_unmarked(&self) -> bool {
        !self.unmarked.is_empty()
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) counters: Arc<Counters>,
    pub(crate) taken: Mutex<Taken>,
    /// The application has taken entries that are to be marked delivered.
    pub(crate) to_mark: Notify,
    pub(crate) status: watch::Sender<Status>,
    /// The application wants the connection dropped and made anew.
    pub(crate) drop_connection: Notify,
    /// The application wants an orderly end.
    pub(crate) close: watch::Sender<bool>,
    /// Why the client has ended. Set before the last event is taken away.
    pub(crate) ended: OnceLock<Error>,
}

impl Shared {
    pub(crate) fn new(cursors: &BTreeMap<ConversationId, Seq>) -> Self {
        let cursors = cursors.iter().map(|(id, seq)| (id.clone(), *seq)).collect();
        Self {
            counters: Arc::default(),
            taken: Mutex::new(Taken {
                cursors,
                unmarked: HashSet::new(),
            }),
            to_mark: Notify::new(),
            status: watch::Sender::new(Status::default()),
            drop_connection: Notify::new(),
            close: watch::Sender::new(false),
            ended: OnceLock::new(),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.snapshot()
    }

    pub(crate) fn cursors(&self) -> BTreeMap<ConversationId, Seq> {
        self.taken
            .lock()
            .cursors
            .iter()
            .map(|(id, seq)| (id.clone(), *seq))
            .collect()
    }

    /// The application, or the driver in its place, has the event.
    pub(crate) fn note(&self, event: &Event) {
        if self.taken.lock().note(event) {
            self.to_mark.notify_one();
        }
    }

    /// Why the client has ended.
    pub(crate) fn reason(&self) -> Error {
        self.ended.get().cloned().unwrap_or(Error::Closed)
    }
}
