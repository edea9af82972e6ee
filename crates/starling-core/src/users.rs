//! Users are made on first sight; those noted lately are remembered, so that not every connection and request
//! writes to the store.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use starling_protocol::UserId;
use tokio::time::Instant;

use crate::lru_cache::lru_cache;
use crate::shared::Shared;

const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// Noting a user is best effort, so it is done again now and then.
const GOOD_FOR: Duration = Duration::from_secs(600);

/// Users with the names that they had.
pub(crate) struct Users(Mutex<LruCache<UserId, (Option<String>, Instant)>>);

impl Default for Users {
    fn default() -> Self {
        Self(Mutex::new(lru_cache(REMEMBERED)))
    }
}

impl Users {
    /// Notes a user, and the name if one is given. Best effort: nothing depends on it.
    pub(crate) async fn saw(&self, shared: &Shared, user: &UserId, name: Option<&str>) {
        if !self.is_news(user, name) {
            return;
        }
        if let Err(unavailable) = shared.ports.directory.saw_user(user, name).await {
            tracing::debug!(%unavailable, "user not noted");
            self.0.lock().pop(user);
        }
    }

    /// Whether this user, or this name of his, is to be noted.
    fn is_news(&self, user: &UserId, name: Option<&str>) -> bool {
        let mut seen = self.0.lock();
        if let Some((known, at)) = seen.get(user)
            && known.as_deref() == name
            && at.elapsed() < GOOD_FOR
        {
            return false;
        }
        seen.put(user.clone(), (name.map(str::to_owned), Instant::now()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_user_is_news_once_per_name_and_while() {
        let users = Users::default();
        let alice = UserId::new("alice").unwrap();
        assert!(users.is_news(&alice, None));
        assert!(!users.is_news(&alice, None));
        assert!(users.is_news(&alice, Some("Alice")));
        assert!(!users.is_news(&alice, Some("Alice")));
        tokio::time::advance(GOOD_FOR).await;
        assert!(users.is_news(&alice, Some("Alice")));
    }
}
