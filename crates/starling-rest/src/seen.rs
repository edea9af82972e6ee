//! Which users were noted lately, so that not every request writes to the store.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use starling_protocol::UserId;
use tokio::time::Instant;

const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// Noting a user is best effort, so it is done again now and then.
const GOOD_FOR: Duration = Duration::from_secs(600);

/// Users with the names that they had.
pub(crate) struct Seen(Mutex<LruCache<UserId, (Option<String>, Instant)>>);

impl Default for Seen {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl Seen {
    /// Whether this user, or this name of his, is to be noted.
    pub(crate) fn is_news(&self, user: &UserId, name: Option<&str>) -> bool {
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
        let seen = Seen::default();
        let alice = UserId::new("alice").unwrap();
        assert!(seen.is_news(&alice, None));
        assert!(!seen.is_news(&alice, None));
        assert!(seen.is_news(&alice, Some("Alice")));
        assert!(!seen.is_news(&alice, Some("Alice")));
        tokio::time::advance(GOOD_FOR).await;
        assert!(seen.is_news(&alice, Some("Alice")));
    }
}
