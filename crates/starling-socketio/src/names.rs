//! What users are called, remembered for a while: messages name their senders.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use starling_core::{Engine, lru_cache};
use starling_protocol::UserId;
use tokio::time::Instant;

const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
const GOOD_FOR: Duration = Duration::from_secs(60);
/// Where it cannot be found out, his id is good for so long.
const NOT_ASKED_FOR: Duration = Duration::from_secs(2);
/// So many may be asked for at the same time.
const AT_ONCE: usize = 16;

/// Users with their names, and until when these are good.
pub(crate) struct Names {
    known: Mutex<LruCache<UserId, (String, Instant)>>,
    hasher: RandomState,
    /// Whoever asks for a name holds one of these, the user's: a node tells hundreds of clients of the same newcomer at
    /// the same moment, and one question is enough.
    asking: [tokio::sync::Mutex<()>; AT_ONCE],
}

impl Default for Names {
    fn default() -> Self {
        Self {
            known: Mutex::new(lru_cache(REMEMBERED)),
            hasher: RandomState::new(),
            asking: Default::default(),
        }
    }
}

impl Names {
    /// The user is called so from now on.
    pub(crate) fn learn(&self, user: &UserId, name: &str) {
        self.keep(user, name, GOOD_FOR);
    }

    fn keep(&self, user: &UserId, name: &str, time: Duration) {
        let until = Instant::now() + time;
        self.known.lock().put(user.clone(), (name.to_owned(), until));
    }

    /// The user may be called otherwise by now.
    pub(crate) fn forget(&self, user: &UserId) {
        self.known.lock().pop(user);
    }

    fn known(&self, user: &UserId) -> Option<String> {
        let mut known = self.known.lock();
        let (name, until) = known.get(user)?;
        (Instant::now() < *until).then(|| name.clone())
    }

    /// What these are called, each in its place; who has no name, or whose name cannot be found out now, by his id.
    pub(crate) async fn of(&self, engine: &Engine, users: &[&UserId]) -> Vec<String> {
        if let Some(first) = users.iter().find(|user| self.known(user).is_none()) {
            let place = self.hasher.hash_one(first) % AT_ONCE as u64;
            let _asking = self.asking[place as usize].lock().await;
            let unknown = users.iter().filter(|user| self.known(user).is_none());
            let unknown: Vec<UserId> = unknown.map(|user| (*user).clone()).collect();
            if !unknown.is_empty() {
                self.ask(engine, &unknown).await;
            }
        }
        let called = users.iter().map(|user| self.known(user));
        called
            .zip(users)
            .map(|(name, user)| name.unwrap_or_else(|| user.as_str().to_owned()))
            .collect()
    }

    async fn ask(&self, engine: &Engine, users: &[UserId]) {
        let found = engine.people().names(users).await;
        for user in users {
            match &found {
                Ok(found) => self.learn(user, found.get(user).map_or(user.as_str(), String::as_str)),
                Err(_) => self.keep(user, user.as_str(), NOT_ASKED_FOR),
            }
        }
    }
}
