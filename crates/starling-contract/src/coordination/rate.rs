//! Rate limits.

use std::time::Duration;

use starling_core::ports::{RateLimit, RateLimiter};
use tokio::time::{Instant, sleep};

use super::support::{connect, user};
use crate::Service;

pub async fn a_bucket_holds_its_burst(service: &dyn Service) {
    let (ports, one) = (connect(service).await, user());
    // Slow, so that nothing comes back while this runs.
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
        let granted = loop {
            let (user, began) = (user(), Instant::now());
            let mut granted = Vec::new();
            for want in [4, 0, 4, 4, 1] {
                let grant = RateLimiter::take(&*ports, &user, want, limit).await.unwrap();
                granted.push(grant.granted);
                if want > 0 && grant.granted == 0 {
                    assert!(grant.retry_after > Duration::from_millis(1), "{grant:?}");
                    assert!(grant.retry_after <= Duration::from_secs(1), "{grant:?}");
                }
            }
            // On a machine that stalls something has come back.
            if began.elapsed() < Duration::from_secs(1) {
                break granted;
            }
        };
        assert_eq!(granted, [4, 0, 4, 2, 0]);
    }
    let other = RateLimiter::take(
        &*ports,
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
    let none = RateLimiter::take(
        &*ports,
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

pub async fn a_bucket_refills_at_its_rate(service: &dyn Service) {
    let (ports, user) = (connect(service).await, user());
    let limit = RateLimit {
        per_second: 50,
        burst: 5,
    };
    let began = Instant::now();
    let mut granted = 0;
    while granted < 30 {
        let grant = RateLimiter::take(&*ports, &user, 3, limit).await.unwrap();
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
