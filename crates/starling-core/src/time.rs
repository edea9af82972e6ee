//! Clocks and jitter.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::RngExt;

use crate::chance;

/// The wall clock, in milliseconds since the Unix epoch. For display: order never depends on it.
pub(crate) fn unix_millis() -> i64 {
    #[cfg(feature = "failpoints")]
    if let Some(elapsed) = chance::seeded::elapsed() {
        return 1_767_225_600_000 + elapsed.as_millis() as i64;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Between half and one and a half of `base`, so that nodes do not act in step.
pub(crate) fn jittered(base: Duration) -> Duration {
    base.mul_f64(chance::draw(|rng| rng.random_range(0.5..1.5)))
}
