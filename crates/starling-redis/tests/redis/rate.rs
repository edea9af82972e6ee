//! Rate limits.

use starling_core::ports::{RateLimit, RateLimiter};

use crate::server::Deployment;
use crate::support::{connect, on_both, user};

/// What `PTTL` says of a key that is not there.
const GONE: i64 = -2;

on_both! {
    buckets_are_forgotten_when_full,
}

async fn buckets_are_forgotten_when_full(deployment: &Deployment) {
    let (redis, user) = (connect(deployment).await, user());
    let key = format!("rate:{{{user}}}");
    redis
        .take(
            &user,
            0,
            RateLimit {
                per_second: 10,
                burst: 10,
            },
        )
        .await
        .unwrap();
    assert_eq!(
        deployment.cli(&["EXISTS", &key]),
        "0",
        "nothing taken, nothing to remember"
    );
    redis
        .take(
            &user,
            5,
            RateLimit {
                per_second: 10,
                burst: 10,
            },
        )
        .await
        .unwrap();
    let ttl: i64 = deployment.cli(&["PTTL", &key]).parse().unwrap();
    assert!(ttl == GONE || (0..=500).contains(&ttl), "{ttl}");
}
