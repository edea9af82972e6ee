//! Where chance comes from: jitter, names that nodes make up, the order of hash maps.
//!
//! A simulation has to happen again as it happened. In a build with the feature `failpoints` a test may seed its
//! thread; then all that is drawn here, and the wall clock, follow from the seed and tokio's clock. Without the
//! feature none of that exists: chance is the operating system's.

use rand::Rng;

#[cfg(feature = "failpoints")]
pub use seeded::{Seeded, seed_thread};

/// A hash map that may be iterated over where the order shows outside: in a simulation it is always the same.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, Hashing>;
/// The set to [`HashMap`].
pub(crate) type HashSet<K> = std::collections::HashSet<K, Hashing>;

/// Keys come from users, so the hash is keyed at random wherever it matters.
#[cfg(not(feature = "failpoints"))]
pub(crate) type Hashing = std::hash::RandomState;
#[cfg(feature = "failpoints")]
pub(crate) type Hashing = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// Draws something at random.
pub(crate) fn draw<T>(draw: impl FnOnce(&mut dyn Rng) -> T) -> T {
    #[cfg(feature = "failpoints")]
    let draw = match seeded::draw(draw) {
        Ok(drawn) => return drawn,
        Err(draw) => draw,
    };
    draw(&mut rand::rng())
}

/// A name that nobody else makes up and nobody guesses: a UUID of version 7, which sorts by time.
pub(crate) fn fresh_name() -> String {
    let millis = u64::try_from(crate::time::unix_millis()).unwrap_or_default();
    let mut random = [0; 10];
    draw(|rng| rng.fill_bytes(&mut random));
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    id.simple().to_string()
}

#[cfg(feature = "failpoints")]
pub(crate) mod seeded {
    use std::cell::RefCell;
    use std::marker::PhantomData;
    use std::time::Duration;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use tokio::time::Instant;

    thread_local! {
        static SOURCE: RefCell<Option<Source>> = const { RefCell::new(None) };
    }

    struct Source {
        series: StdRng,
        since: Instant,
    }

    /// A thread whose chance is seeded, until this is dropped.
    #[derive(Debug)]
    #[must_use = "dropped, chance is the operating system's again"]
    pub struct Seeded(PhantomData<*const ()>);

    /// Seeds this thread, on which a runtime of the current-thread kind then runs the simulation. To be called
    /// inside that runtime, with its time paused.
    pub fn seed_thread(seed: u64) -> Seeded {
        let source = Source {
            series: StdRng::seed_from_u64(seed),
            since: Instant::now(),
        };
        SOURCE.set(Some(source));
        Seeded(PhantomData)
    }

    impl Drop for Seeded {
        fn drop(&mut self) {
            SOURCE.set(None);
        }
    }

    /// The time since the thread was seeded, if it is.
    pub(crate) fn elapsed() -> Option<Duration> {
        SOURCE.with_borrow(|source| source.as_ref().map(|source| source.since.elapsed()))
    }

    pub(super) fn draw<T, F: FnOnce(&mut dyn Rng) -> T>(draw: F) -> Result<T, F> {
        SOURCE.with_borrow_mut(|source| match source {
            Some(source) => Ok(draw(&mut source.series)),
            None => Err(draw),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fresh() {
        assert_ne!(fresh_name(), fresh_name());
    }

    #[cfg(feature = "failpoints")]
    #[tokio::test(start_paused = true)]
    async fn a_seeded_thread_repeats_itself() {
        let mut drawn = Vec::new();
        for seed in [1, 1, 2] {
            let _seeded = seed_thread(seed);
            tokio::time::sleep(std::time::Duration::from_millis(seed)).await;
            drawn.push((fresh_name(), crate::time::unix_millis()));
        }
        assert_eq!(drawn[0], drawn[1]);
        assert_ne!(drawn[0], drawn[2]);
    }
}
