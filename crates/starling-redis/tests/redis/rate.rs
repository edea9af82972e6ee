//! Rate limits.

use std::time::Duration;

use starling_core::ports::{RateLimit, RateLimiter};
use tokio::time::{Instant, sleep};

use crate::server::Deployment;
use crate::support::{connect, on_both, user};

on_both! {
    a_bucket_holds_its_burst,
    a_bucket_refills_at_its_rate,
    buckets_are_forgotten_when_full,
}

async fn a_bucket_holds_its_burst(deployment: &Deployment) {
    let (redis, one) = (connect(deployment).await, user());
    // Slow, so that nothing comes back while the test runs.
    for limit in [
        RateLimit {
            per_second: 0,
            burst: 10,
        },
        RateLimit {
            per_second: 1,
            burst: 10,
        },
    ] {
        let user = user();
        let mut granted = Vec::new();
        for want in [4, 0, 4, 4, 1] {
            let grant = redis.take(&user, want, limit).await.unwrap();
            granted.push(grant.granted);
            if want > 0 && grant.granted == 0 {
                assert!(grant.retry_after > Duration::from_millis(1), "{grant:?}");
                assert!(grant.retry_after <= Duration::from_secs(1), "{grant:?}");
            }
        }
        assert_eq!(granted, [4, 0, 4, 2, 0]);
    }
    let other = redis
        .take(
            &one,
            100,
            RateLimit {
                per_second: 3,
                burst: 7,
            },
        )
        .await
        .unwrap();
    assert_eq!(other.granted, 7, "each user has a bucket");
    let none = redis
        .take(
            &one,
            1,
            RateLimit {
                per_second: 3,
                burst: 0,
            },
        )
        .await
        .unwrap();
    assert_eq!(none.granted, 0);
}

async fn a_bucket_refills_at_its_rate(deployment: &Deployment) {
    let (redis, user) = (connect(deployment).await, user());
    let limit = RateLimit {
        per_second: 50,
        burst: 5,
    };
    let began = Instant::now();
    let mut granted = 0;
    while granted < 30 {
        let grant = redis.take(&user, 3, limit).await.unwrap();
        granted += grant.granted;
        if grant.granted == 0 {
            assert!(grant.retry_after <= Duration::from_millis(20), "{grant:?}");
            sleep(grant.retry_after).await;
        }
    }
    // 5 at once, and then one every 20 ms.
    assert!(
        began.elapsed() >= Duration::from_millis(480),
        "{:?}",
        began.elapsed()
    );
    let most = 5.0 + began.elapsed().as_secs_f64() * 50.0 + 1.0;
    assert!(f64::from(granted) <= most, "{granted} in {:?}", began.elapsed());
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
    let ttl: u64 = deployment.cli(&["PTTL", &key]).parse().unwrap();
    assert!(ttl <= 500, "{ttl}");
}
