//! Sends per user: a local allowance, taken from the cluster-wide bucket in small portions.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use starling_protocol::{Error, ErrorCode, UserId};
use tokio::time::Instant;

use crate::ports::RateLimit;
use crate::shared::Shared;

/// A portion that was taken and not used is given up after this long, so that what nodes hold back stays small.
const PORTION_LIFE: Duration = Duration::from_secs(1);

/// Users whose allowance is remembered before the idle ones are forgotten.
const REMEMBERED: usize = 10_000;

/// What this node has taken from users' buckets and not used.
#[derive(Default)]
pub(crate) struct SendAllowance(Mutex<HashMap<UserId, Allowance>>);

struct Allowance {
    left: u32,
    until: Instant,
    /// Known to be empty until then: no need to ask again.
    empty_until: Option<Instant>,
}

impl SendAllowance {
    /// Takes one send, or says when there will be one.
    pub(crate) async fn take(&self, shared: &Shared, user: &UserId) -> Result<(), Error> {
        let Some(limit) = shared.settings.sends else {
            return Ok(());
        };
        let now = Instant::now();
        if let Some(decided) = self.take_local(user, now) {
            return decided;
        }
        // Several sends for one round trip, but never so many that one node starves the user on another.
        let portion = (limit.burst / 10).clamp(1, 10);
        let grant = match shared.ports.rates.take(user, portion, limit).await {
            Ok(grant) => grant,
            // Without coordination each node limits by itself.
            Err(_) => return self.take_alone(user, limit, now),
        };
        let mut all = self.0.lock();
        forget_idle(&mut all, now);
        let allowance = all.entry(user.clone()).or_insert(Allowance {
            left: 0,
            until: now,
            empty_until: None,
        });
        allowance.until = now + PORTION_LIFE;
        if grant.granted == 0 {
            allowance.empty_until = Some(now + grant.retry_after);
            return Err(too_fast(limit, grant.retry_after));
        }
        allowance.left += grant.granted - 1;
        Ok(())
    }

    fn take_local(&self, user: &UserId, now: Instant) -> Option<Result<(), Error>> {
        let mut all = self.0.lock();
        let allowance = all.get_mut(user)?;
        if allowance.until <= now {
            allowance.left = 0;
        }
        if let Some(until) = allowance.empty_until.filter(|until| *until > now) {
            let wait = until - now;
            return Some(Err(rate_limited(wait)));
        }
        allowance.empty_until = None;
        if allowance.left > 0 {
            allowance.left -= 1;
            return Some(Ok(()));
        }
        None
    }

    /// A second's worth at a time.
    fn take_alone(&self, user: &UserId, limit: RateLimit, now: Instant) -> Result<(), Error> {
        let mut all = self.0.lock();
        forget_idle(&mut all, now);
        let allowance = all.entry(user.clone()).or_insert(Allowance {
            left: 0,
            until: now,
            empty_until: None,
        });
        if allowance.until <= now {
            allowance.left = limit.per_second.max(1);
            allowance.until = now + PORTION_LIFE;
        }
        if allowance.left == 0 {
            return Err(too_fast(limit, allowance.until - now));
        }
        allowance.left -= 1;
        Ok(())
    }
}

fn forget_idle(all: &mut HashMap<UserId, Allowance>, now: Instant) {
    if all.len() > REMEMBERED {
        all.retain(|_, allowance| {
            allowance.until > now || allowance.empty_until.is_some_and(|until| until > now)
        });
    }
}

fn too_fast(limit: RateLimit, wait: Duration) -> Error {
    metrics::counter!("starling_rate_limited_total").increment(1);
    tracing::debug!(per_second = limit.per_second, ?wait, "rate limited");
    rate_limited(wait)
}

fn rate_limited(wait: Duration) -> Error {
    let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    Error::new(ErrorCode::RateLimited, "you send faster than the limit").retry_after(ms)
}
