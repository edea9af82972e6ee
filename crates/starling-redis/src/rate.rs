//! Rate limits; see `lua/take.lua`.

use std::time::Duration;

use async_trait::async_trait;
use starling_core::ports::{Quota, Quotas, RateGrant, RateLimit, RateLimiter, Unavailable};
use starling_protocol::UserId;

use crate::client::number;
use crate::scripts::TAKE;
use crate::{Redis, keys};

#[async_trait]
impl RateLimiter for Redis {
    /// A rate of 0 is taken for 1 per second, since a bucket that never refills could never be forgotten.
    async fn take(&self, user: &UserId, want: u32, limit: RateLimit) -> Result<RateGrant, Unavailable> {
        let args = vec![
            number(want.into()),
            number(limit.per_second.max(1).into()),
            number(limit.burst.into()),
        ];
        let (granted, wait): (u32, u64) = self
            .script("take", user, &TAKE, vec![keys::rate(user)], args)
            .await?;
        Ok(RateGrant {
            granted,
            retry_after: Duration::from_micros(wait),
        })
    }
}

#[async_trait]
impl Quotas for Redis {
    async fn spend(&self, subject: &str, quota: Quota) -> Result<Option<Duration>, Unavailable> {
        let per_second = 1.0 / quota.each.as_secs_f64().max(0.001);
        let args = vec![
            number(1),
            per_second.to_string().into(),
            number(quota.burst.into()),
        ];
        let (granted, wait): (u32, u64) = self
            .script("spend", subject, &TAKE, vec![keys::quota(subject)], args)
            .await?;
        Ok((granted == 0).then(|| Duration::from_micros(wait)))
    }
}
