//! Commands that the core has not answered yet, and what is to be done then.

use std::collections::HashMap;

use parking_lot::Mutex;
use starling_protocol::{ClientId, Error, Reply, Seq};
use tokio::sync::oneshot;

/// What an answer is for.
pub(crate) enum Pending {
    /// A message: its sender is told where it stands.
    Send { key: ClientId, asked: Asked },
    /// A message whose sender is told the whole of it.
    Message { asked: Asked, text: String },
    /// A change to a message: what it says from then on, or nothing where it is deleted.
    Alteration {
        asked: Asked,
        target: Seq,
        text: Option<String>,
    },
    /// Something that is only acknowledged.
    Signal(Asked),
    /// Nobody waits for it.
    Mark,
    /// Streams that were begun.
    Streams(oneshot::Sender<Result<Reply, Error>>),
}

/// The event that a client is answered about.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) event: String,
    pub(crate) ack: Option<i64>,
}

/// By the ids that the core answers to.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<(u64, HashMap<u64, Pending>)>);

impl Waiting {
    /// The id to ask under.
    pub(crate) fn expect(&self, pending: Pending) -> u64 {
        let mut waiting = self.0.lock();
        waiting.0 += 1;
        let id = waiting.0;
        waiting.1.insert(id, pending);
        id
    }

    pub(crate) fn answered(&self, id: u64) -> Option<Pending> {
        self.0.lock().1.remove(&id)
    }
}
