//! How long to wait before the next attempt to connect. Pure: time and chance come from outside.

use std::time::Duration;

/// A connection that lived this long, or was of any use, was a success: the next pause starts from the
/// shortest again.
pub(crate) const SETTLED: Duration = Duration::from_secs(2);

/// Keeps a thousand clients of a node that died from arriving at the next one in the same millisecond.
const NOW: Duration = Duration::from_millis(100);
const SOON: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(3));
const LATER: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// How urgent the next attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// At once: the server asked for it, or the network broke.
    Now,
    /// The address did not answer as it should: the next address at once, the same one in a moment.
    Soon,
    /// The server asked for a pause.
    Later,
}

/// Counts failures in a row.
#[derive(Debug)]
pub(crate) struct Backoff {
    addresses: u32,
    failures: u32,
}

impl Backoff {
    /// A count of zero, for a client that takes turns among so many addresses.
    pub(crate) fn new(addresses: usize) -> Self {
        Self {
            addresses: u32::try_from(addresses).unwrap_or(u32::MAX).max(1),
            failures: 0,
        }
    }

    /// A connection has settled.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The pause after one more failure; `chance` is from 0 to 1.
    pub(crate) fn delay(&mut self, pause: Pause, chance: f64) -> Duration {
        let failures = self.failures;
        self.failures = self.failures.saturating_add(1);
        // Each address may fail once before the client waits in earnest.
        match pause {
            Pause::Now if failures < self.addresses => NOW.mul_f64(chance),
            Pause::Soon if failures + 1 < self.addresses => NOW.mul_f64(chance),
            Pause::Now | Pause::Soon => grow(SOON, failures + 1 - self.addresses.min(failures + 1), chance),
            Pause::Later => grow(LATER, failures, chance),
        }
    }
}

/// A pause inside a connection that stays: after the given number of "not now" answers to one command.
pub(crate) fn retry(attempts: u32, chance: f64) -> Duration {
    grow(
        (Duration::from_millis(250), Duration::from_secs(2)),
        attempts,
        chance,
    )
}

/// Doubles from the first to the last, and takes between half of it and all.
fn grow((first, last): (Duration, Duration), doublings: u32, chance: f64) -> Duration {
    let full = first
        .saturating_mul(1u32.checked_shl(doublings.min(16)).unwrap_or(u32::MAX))
        .min(last);
    full.mul_f64(0.5 + chance / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_start_anew_after_a_success() {
        use Pause::{Later, Now, Soon};
        let check = |addresses: usize, pauses: &[(Pause, u64)]| {
            let mut backoff = Backoff::new(addresses);
            for (step, &(pause, expected)) in pauses.iter().enumerate() {
                let delay = backoff.delay(pause, 1.0);
                assert_eq!(
                    delay,
                    Duration::from_millis(expected),
                    "{addresses} addresses, step {step}"
                );
            }
            backoff.succeeded();
            assert_eq!(backoff.delay(Now, 1.0), NOW);
        };
        check(
            1,
            &[
                (Now, 100),
                (Now, 250 * 2),
                (Now, 1000),
                (Now, 2000),
                (Now, 3000),
                (Now, 3000),
            ],
        );
        check(
            1,
            &[(Soon, 250), (Soon, 500), (Soon, 1000), (Soon, 2000), (Soon, 3000)],
        );
        check(3, &[(Soon, 100), (Soon, 100), (Soon, 250), (Soon, 500)]);
        check(3, &[(Now, 100), (Now, 100), (Now, 100), (Now, 500)]);
        check(
            3,
            &[
                (Later, 500),
                (Later, 1000),
                (Later, 2000),
                (Later, 4000),
                (Later, 8000),
                (Later, 10000),
            ],
        );
    }

    #[test]
    fn chance_spreads_a_pause_from_half_of_it() {
        for (chance, expected) in [(0.0, 250), (0.5, 375), (1.0, 500)] {
            assert_eq!(
                Backoff::new(1).delay(Pause::Later, chance),
                Duration::from_millis(expected)
            );
        }
        assert_eq!(Backoff::new(1).delay(Pause::Now, 0.0), Duration::ZERO);
        assert_eq!(retry(40, 1.0), Duration::from_secs(2));
    }
}
