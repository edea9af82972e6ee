//! Caches of what was asked for lately.

use std::hash::Hash;
use std::num::NonZeroUsize;

use lru::LruCache;

/// An empty cache of at most so many keys, which takes room as it fills. [`LruCache::new`] takes the room for all of them at
/// once, hundreds of kilobytes, and the first keys, scattered over it, touch every page of that.
pub fn lru_cache<K: Hash + Eq, V>(at_most: NonZeroUsize) -> LruCache<K, V> {
    let mut cache = LruCache::unbounded();
    cache.resize(at_most);
    cache
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_was_longest_not_asked_for_makes_room() {
        let mut cache = lru_cache(NonZeroUsize::new(2).unwrap());
        cache.put(1, "one");
        cache.put(2, "two");
        assert_eq!(cache.get(&1), Some(&"one"));
        cache.put(3, "three");
        assert_eq!((cache.len(), cache.get(&2)), (2, None));
        assert_eq!(cache.get(&1), Some(&"one"));
    }
}
