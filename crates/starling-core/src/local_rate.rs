//! Token buckets of this node alone: for signals, whose loss costs nothing.

use std::time::Duration;

use parking_lot::Mutex;
use starling_protocol::UserId;
use tokio::time::Instant;

use crate::chance::HashMap;
use crate::ports::RateLimit;

/// Users whose buckets are remembered before the full ones are forgotten.
const REMEMBERED: usize = 10_000;

/// A bucket for each user, kept as one number: the moment at which it is full again.
pub(crate) struct LocalRate {
    limit: RateLimit,
    full_at: Mutex<HashMap<UserId, Instant>>,
}

impl LocalRate {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            full_at: Mutex::default(),
        }
    }

    /// Takes one; otherwise says when there will be one.
    pub(crate) fn take(&self, user: &UserId) -> Result<(), Duration> {
        let now = Instant::now();
        let interval = Duration::from_secs(1) / self.limit.per_second.max(1);
        let mut all = self.full_at.lock();
        if all.len() >= REMEMBERED {
            all.retain(|_, full_at| *full_at > now);
        }
        let full_at = all.get(user).copied().unwrap_or(now).max(now) + interval;
        let over = (full_at - now).saturating_sub(interval * self.limit.burst);
        if over.is_zero() {
            all.insert(user.clone(), full_at);
            Ok(())
        } else {
            Err(over)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_so_many_a_second() {
        let limit = RateLimit {
            per_second: 2,
            burst: 3,
        };
        let (rate, ann) = (LocalRate::new(limit), UserId::new("ann").unwrap());
        let taken = |count: usize| (0..count).filter(|_| rate.take(&ann).is_ok()).count();
        assert_eq!(taken(10), 3);
        assert_eq!(rate.take(&ann), Err(Duration::from_millis(500)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(taken(10), 2);
        assert_eq!(rate.take(&UserId::new("bob").unwrap()), Ok(()));
    }
}
