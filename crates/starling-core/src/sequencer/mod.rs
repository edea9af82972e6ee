//! Puts changes in order: one actor per active conversation per node, fenced by the log's unique keys.
//!
//! Architecture invariant: an entry is appended at h+1 only by an actor that holds entry h, majority-committed.
//! Redis' lease and counter are hints in both directions; the log decides.

mod actor;
mod batch;
mod effects;
mod moderation;
mod operation;
mod rules;
mod state;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use starling_protocol::ConversationId;
use tokio::sync::{Notify, mpsc};
use tokio::task::yield_now;

pub(crate) use effects::{newcomers, record_of};
pub(crate) use operation::{Answer, Change, Operation, Outcome, ProfileChange};
pub(crate) use rules::deleted;
pub(crate) use state::{PAGE, read_range};
pub(crate) use writer::Writer;

use crate::shared::Shared;

/// Operations that wait in front of one actor, besides those that it has taken in.
const MAILBOX: usize = 1024;

enum Mail {
    Operation(Box<Operation>),
    /// Others may not have heard of, or not applied, all that is stored.
    Recover,
}

#[derive(Clone)]
struct Address {
    mail: mpsc::Sender<Mail>,
    /// The lease was handed to this node.
    granted: Arc<Notify>,
}

/// The actors of this node.
#[derive(Default)]
pub(crate) struct Sequencer {
    actors: Mutex<HashMap<ConversationId, Address>>,
    open: Arc<Open>,
}

/// Counts the operations that are not answered yet.
#[derive(Default)]
struct Open {
    count: AtomicUsize,
    none: Notify,
}

impl Sequencer {
    /// Hands an operation to its conversation's actor, waiting for room. Operations of one caller that awaits
    /// each call are taken in order.
    pub(crate) async fn submit(&self, shared: &Arc<Shared>, mut operation: Operation) {
        self.open.count.fetch_add(1, Ordering::Relaxed);
        let open = self.open.clone();
        operation.answers.push(Box::new(move |_| {
            if open.count.fetch_sub(1, Ordering::Relaxed) == 1 {
                open.none.notify_waiters();
            }
        }));
        let conversation = operation.conversation.clone();
        let mut mail = Mail::Operation(Box::new(operation));
        loop {
            // Sending under the lock: an actor retires under the same lock, and only with an empty mailbox.
            let full = {
                let mut actors = self.actors.lock();
                let address = actors
                    .entry(conversation.clone())
                    .or_insert_with(|| actor::spawn(shared.clone(), conversation.clone()));
                match address.mail.try_send(mail) {
                    Ok(()) => return,
                    Err(mpsc::error::TrySendError::Full(back)) => {
                        mail = back;
                        Some(address.mail.clone())
                    }
                    Err(mpsc::error::TrySendError::Closed(back)) => {
                        // The actor panicked; a new one takes over.
                        mail = back;
                        actors.remove(&conversation);
                        None
                    }
                }
            };
            match full {
                Some(full) => drop(full.reserve().await),
                // Where the runtime ends, new actors end at once: it takes away only who waits.
                None => yield_now().await,
            }
        }
    }

    /// Tells a waiting actor that the lease is its node's.
    pub(crate) fn granted(&self, conversation: &ConversationId) {
        if let Some(address) = self.actors.lock().get(conversation) {
            address.granted.notify_one();
        }
    }

    /// Has a conversation recovered: re-applied and announced again up to its head.
    pub(crate) fn recover(&self, shared: &Arc<Shared>, conversation: &ConversationId) {
        let mut actors = self.actors.lock();
        let address = actors
            .entry(conversation.clone())
            .or_insert_with(|| actor::spawn(shared.clone(), conversation.clone()));
        // A full mailbox belongs to an actor that is at work and will be found again by the next look.
        let _ = address.mail.try_send(Mail::Recover);
    }

    /// Waits until every operation is answered. Cancel-safe.
    pub(crate) async fn quiesce(&self) {
        loop {
            let none = self.open.none.notified();
            if self.open.count.load(Ordering::Relaxed) == 0 {
                return;
            }
            none.await;
        }
    }

    /// Removes an idle actor; `false` if something has arrived meanwhile.
    fn retire(&self, conversation: &ConversationId, mail: &mpsc::Receiver<Mail>) -> bool {
        let mut actors = self.actors.lock();
        let idle = mail.is_empty();
        if idle {
            actors.remove(conversation);
        }
        idle
    }
}
