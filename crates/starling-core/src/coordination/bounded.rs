//! A map that holds so many keys at most.

use std::hash::Hash;
use std::num::NonZeroUsize;

use lru::LruCache;

use crate::lru_cache::lru_cache;

/// So many keys: of a hundred thousand each is some hundred bytes, so a map of them is some ten megabytes.
pub(super) const AT_MOST: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

/// A map of at most [`AT_MOST`] keys. The one that was longest not asked for makes room.
#[derive(Clone)]
pub(super) struct Bounded<K: Hash + Eq, V>(LruCache<K, V>);

impl<K: Hash + Eq, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self(lru_cache(AT_MOST))
    }
}

impl<K: Hash + Eq + Clone, V> Bounded<K, V> {
    pub(super) fn get<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get_mut(key)
    }

    /// What is there, or what is made.
    pub(super) fn entry(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        if !self.0.contains(key) {
            self.insert(key.clone(), make());
        }
        self.0.get_mut(key).expect("it is there or was just put there")
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.0.put(key, value);
    }

    pub(super) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.pop(key)
    }

    /// Lets go of what was longest not asked for.
    pub(super) fn remove_oldest(&mut self) -> Option<(K, V)> {
        self.0.pop_lru()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_longest_not_asked_for_makes_room() {
        let mut map = Bounded::default();
        let at_most = AT_MOST.get();
        for key in 0..at_most {
            map.insert(key, key);
        }
        assert_eq!(map.get(&0), Some(&mut 0));
        assert_eq!(*map.entry(&at_most, || 7), 7);
        assert_eq!(map.get(&1), None, "the oldest");
        assert_eq!(map.get(&0), Some(&mut 0));
        assert_eq!((map.remove(&0), map.get(&0)), (Some(0), None));
        assert_eq!(map.remove_oldest(), Some((2, 2)));
    }
}
