//! What users are called, remembered for a while: messages name their senders.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use starling_core::Engine;
use starling_protocol::UserId;
use tokio::time::Instant;

const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
const GOOD_FOR: Duration = Duration::from_secs(60);

/// Users with their names.
pub(crate) struct Names(Mutex<LruCache<UserId, (String, Instant)>>);

impl Default for Names {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl Names {
    /// The user is called so from now on.
    pub(crate) fn learn(&self, user: &UserId, name: &str) {
        self.0.lock().put(user.clone(), (name.to_owned(), Instant::now()));
    }

    /// What these are called, each in its place; who has no name, or whose name cannot be found out now, by his id.
    pub(crate) async fn of(&self, engine: &Engine, users: &[&UserId]) -> Vec<String> {
        let now = Instant::now();
        let mut names: Vec<Option<String>> = {
            let mut known = self.0.lock();
            let mut known_name = |user: &UserId| {
                let (name, at) = known.get(user)?;
                (now - *at < GOOD_FOR).then(|| name.clone())
            };
            users.iter().map(|user| known_name(user)).collect()
        };
        let unknown: Vec<UserId> = users
            .iter()
            .zip(&names)
            .filter(|(_, name)| name.is_none())
            .map(|(user, _)| (*user).clone())
            .collect();
        if !unknown.is_empty()
            && let Ok(found) = engine.people().names(&unknown).await
        {
            for (user, name) in users.iter().zip(&mut names).filter(|(_, name)| name.is_none()) {
                let called = found.get(*user).map_or(user.as_str(), String::as_str);
                self.learn(user, called);
                *name = Some(called.to_owned());
            }
        }
        let called = users.iter().zip(names);
        called
            .map(|(user, name)| name.unwrap_or_else(|| user.as_str().to_owned()))
            .collect()
    }
}
