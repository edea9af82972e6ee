//! Who is barred from which direct conversation, asked at every send through a small cache.
//!
//! What is cached is believed for a few seconds, and forgotten at once where a node is told of a change. While the store
//! does not answer, what was known last counts, and where nothing was, nobody is barred: a send waits for the store
//! anyway, and a block that is seconds late is better than a fail-over that nobody may send after.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use starling_protocol::{ConversationId, Error, ErrorCode, UserId};
use tokio::time::{Instant, timeout};

use crate::lru_cache::lru_cache;
use crate::shared::Shared;
use crate::standing::is_direct;

/// How long an answer of the store is believed.
const BELIEVED: Duration = Duration::from_secs(5);
/// How long a connection's commands wait for an answer: they are taken in order, and others are behind this one.
const PATIENCE: Duration = Duration::from_millis(500);
/// Conversations that a node remembers.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");

/// Direct conversations of this node that were asked about lately.
pub(crate) struct Barred(Mutex<LruCache<ConversationId, Answer>>);

#[derive(Clone)]
struct Answer {
    barred: Arc<[UserId]>,
    at: Instant,
}

impl Default for Barred {
    fn default() -> Self {
        Self(Mutex::new(lru_cache(REMEMBERED)))
    }
}

impl Barred {
    /// What is known of a conversation may be wrong now.
    pub(crate) fn forget(&self, direct: &ConversationId) {
        self.0.lock().pop(direct);
    }
}

/// Refuses who is barred from this conversation.
pub(crate) async fn check_send(shared: &Shared, user: &UserId, id: &ConversationId) -> Result<(), Error> {
    if !is_direct(id) {
        return Ok(());
    }
    let known = shared.people.barred.0.lock().get(id).cloned();
    let fresh = known.as_ref().filter(|known| known.at.elapsed() < BELIEVED);
    let barred = match fresh {
        Some(known) => known.barred.clone(),
        None => {
            let asked = timeout(PATIENCE, shared.ports.people.contacts.barred_from(id)).await;
            let barred: Arc<[UserId]> = match asked {
                Ok(Ok(barred)) => barred.into(),
                Ok(Err(_)) | Err(_) => {
                    tracing::debug!(conversation = %id, "not known who is barred");
                    known.map_or_else(|| Vec::new().into(), |known| known.barred)
                }
            };
            let answer = Answer {
                barred: barred.clone(),
                at: Instant::now(),
            };
            shared.people.barred.0.lock().put(id.clone(), answer);
            barred
        }
    };
    if barred.contains(user) {
        Err(refused())
    } else {
        Ok(())
    }
}

/// Refuses who opens a direct conversation with someone that blocks him.
pub(crate) async fn check_open(shared: &Shared, user: &UserId, other: &UserId) -> Result<(), Error> {
    if shared.ports.people.contacts.relation(user, other).await?.blocked {
        return Err(refused());
    }
    Ok(())
}

fn refused() -> Error {
    Error::new(ErrorCode::Forbidden, "this user does not want messages from you")
}
