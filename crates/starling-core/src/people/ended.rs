//! Sign-ins that are over while tokens of theirs are not: what this node knows of them, and which of its connections
//! came by them.
//!
//! The store decides. Every node asks it every few seconds what was ended lately; the bus only makes that faster where
//! the user is connected. What is known is forgotten once the last access token must have expired.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use starling_protocol::CloseCode;
use tokio::time::{Instant, sleep};

use super::People;
use crate::Outbox;
use crate::ports::{SignInId, Unavailable};
use crate::shared::Shared;
use crate::time::unix_millis;

/// How much longer than an access token lives its end is remembered: clocks differ.
const MARGIN: Duration = Duration::from_secs(60);
/// How far back each look goes: what is committed late, or by a primary whose clock is behind, must not be missed.
const OVERLAP: Duration = Duration::from_secs(60);
/// How many a node remembers. While there are more it asks the store about each token.
const REMEMBERED: usize = 100_000;
/// How many one look at the store brings.
const PAGE: usize = 10_000;

pub(crate) struct Ended {
    remember: Duration,
    known: Mutex<KnownEnded>,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct KnownEnded {
    until: HashMap<SignInId, Instant>,
    /// Until then not all that were ended are known.
    partly_until: Option<Instant>,
    /// When the last one that the store has told of was ended, by its clock.
    mark: i64,
}

#[derive(Default)]
struct Watched {
    connections: HashMap<SignInId, Vec<(u64, Weak<Outbox>)>>,
    next: u64,
}

/// What is known of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    Ended,
    InForce,
    AskTheStore,
}

impl Ended {
    pub(super) fn new(access_life: Duration) -> Self {
        Self {
            remember: access_life + MARGIN,
            known: Mutex::default(),
            watched: Mutex::default(),
        }
    }

    /// These are over: closes their connections here, and remembers.
    pub(crate) fn note(&self, ids: impl IntoIterator<Item = SignInId>) {
        let until = Instant::now() + self.remember;
        for id in ids {
            let connections = self.watched.lock().connections.get(&id).cloned();
            for (_, outbox) in connections.unwrap_or_default() {
                if let Some(outbox) = outbox.upgrade() {
                    outbox.close(CloseCode::SignedOut);
                }
            }
            let mut known = self.known.lock();
            if known.until.len() < REMEMBERED || known.until.contains_key(&id) {
                known.until.insert(id, until);
            } else {
                known.partly_until = Some(until);
            }
        }
    }

    fn forget_old(&self) {
        let now = Instant::now();
        let mut known = self.known.lock();
        known.until.retain(|_, until| *until > now);
        known.partly_until = known.partly_until.filter(|until| *until > now);
    }

    fn knowledge(&self, id: &SignInId) -> Knowledge {
        let known = self.known.lock();
        if known.until.contains_key(id) {
            Knowledge::Ended
        } else if known.partly_until.is_some() {
            Knowledge::AskTheStore
        } else {
            Knowledge::InForce
        }
    }

    /// From when on the store is to be asked.
    fn since(&self) -> i64 {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let relevant = unix_millis() - millis(self.remember + MARGIN);
        relevant.max(self.known.lock().mark - millis(OVERLAP))
    }

    fn reached(&self, mark: i64) {
        let mut known = self.known.lock();
        known.mark = known.mark.max(mark);
    }
}

/// A connection that is closed when its sign-in ends, for as long as this is held.
#[must_use = "dropped, the connection is not watched any more"]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    id: SignInId,
    number: u64,
}

impl Watch {
    /// Closes `outbox` with [`CloseCode::SignedOut`] once the sign-in is over, at once if it is.
    pub(crate) fn begin(shared: &Arc<Shared>, id: &SignInId, outbox: &Arc<Outbox>) -> Self {
        let ended = &shared.people.ended;
        let number = {
            let mut watched = ended.watched.lock();
            watched.next += 1;
            let entry = (watched.next, Arc::downgrade(outbox));
            watched.connections.entry(id.clone()).or_default().push(entry);
            watched.next
        };
        if ended.knowledge(id) == Knowledge::Ended {
            outbox.close(CloseCode::SignedOut);
        }
        Self {
            shared: shared.clone(),
            id: id.clone(),
            number,
        }
    }

    pub(crate) fn sign_in(&self) -> &SignInId {
        &self.id
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.shared.people.ended.watched.lock();
        if let Some(connections) = watched.connections.get_mut(&self.id) {
            connections.retain(|(number, _)| *number != self.number);
            if connections.is_empty() {
                watched.connections.remove(&self.id);
            }
        }
    }
}

impl People {
    /// Whether a sign-in is in force, as far as this node knows: what was ended a few seconds ago may still be taken
    /// for being so.
    pub(super) async fn is_in_force(&self, id: &SignInId) -> Result<bool, Unavailable> {
        match self.shared.people.ended.knowledge(id) {
            Knowledge::Ended => Ok(false),
            Knowledge::InForce => Ok(true),
            Knowledge::AskTheStore => self.shared.ports.people.sign_ins.is_in_force(id).await,
        }
    }
}

/// Asks the store what was ended since the last look.
pub(crate) async fn follow_once(shared: &Shared) -> Result<(), Unavailable> {
    let ended = &shared.people.ended;
    ended.forget_old();
    let mut since = ended.since();
    loop {
        let page = shared.ports.people.sign_ins.ended_since(since, PAGE).await?;
        let (full, last) = (page.len() == PAGE, page.last().map(|(_, at)| *at));
        ended.note(page.into_iter().map(|(id, _)| id));
        let Some(last) = last else { return Ok(()) };
        ended.reached(last);
        // A page that is all of one millisecond would come again for ever.
        if !full || last <= since {
            return Ok(());
        }
        since = last;
    }
}

/// Follows what is ended until the task is dropped.
pub(crate) async fn follow(shared: Arc<Shared>) {
    loop {
        sleep(shared.settings.people.follow_interval).await;
        if let Err(unavailable) = follow_once(&shared).await {
            tracing::debug!(%unavailable, "ended sessions not read");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_ended_is_remembered_as_long_as_its_tokens_live() {
        let ended = Ended::new(Duration::from_secs(900));
        let id = SignInId::fresh();
        assert_eq!(ended.knowledge(&id), Knowledge::InForce);
        ended.note([id.clone()]);
        tokio::time::advance(Duration::from_secs(900)).await;
        ended.forget_old();
        assert_eq!(ended.knowledge(&id), Knowledge::Ended);
        tokio::time::advance(MARGIN).await;
        ended.forget_old();
        assert_eq!(ended.knowledge(&id), Knowledge::InForce);
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_remember_all_asks() {
        let ended = Ended::new(Duration::from_secs(900));
        ended.note((0..=REMEMBERED).map(|_| SignInId::fresh()));
        assert_eq!(ended.known.lock().until.len(), REMEMBERED);
        assert_eq!(ended.knowledge(&SignInId::fresh()), Knowledge::AskTheStore);
        tokio::time::advance(Duration::from_secs(900) + MARGIN).await;
        ended.forget_old();
        assert_eq!(ended.knowledge(&SignInId::fresh()), Knowledge::InForce);
    }
}
