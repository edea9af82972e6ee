//! Bounds and times of the offline index and the rate limiter, to the moment.

use super::*;
use crate::ports::{OfflineIndex, RateGrant, RateLimit, RateLimiter};

#[tokio::test(start_paused = true)]
async fn the_index_is_bounded_and_expires() {
    let coordination = MemoryCoordination::new();
    let (node, bob) = (coordination.node(), [user("bob")]);
    for i in 0..1_001 {
        node.enqueue(&conversation(&format!("c{i}")), 1, &bob)
            .await
            .unwrap();
    }
    assert_eq!(node.pending(&bob[0]).await.unwrap().len(), 1_000);
    tokio::time::advance(Duration::from_secs(30 * 24 * 3600)).await;
    assert!(node.pending(&bob[0]).await.unwrap().is_empty());
    node.enqueue(&conversation("a"), 9, &bob).await.unwrap();
    assert_eq!(node.pending(&bob[0]).await.unwrap(), [(conversation("a"), 9)]);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_gives_its_burst_and_then_its_rate() {
    let coordination = MemoryCoordination::new();
    let (first, second, bob) = (coordination.node(), coordination.node(), user("bob"));
    let limit = RateLimit {
        per_second: 10,
        burst: 5,
    };
    let grant = |granted, wait| RateGrant {
        granted,
        retry_after: ms(wait),
    };
    assert_eq!(first.take(&bob, 3, limit).await.unwrap(), grant(3, 0));
    assert_eq!(
        second.take(&bob, 3, limit).await.unwrap(),
        grant(2, 0),
        "in part, across nodes"
    );
    assert_eq!(second.take(&bob, 1, limit).await.unwrap(), grant(0, 100));
    assert_eq!(
        second.take(&user("eve"), 1, limit).await.unwrap(),
        grant(1, 0),
        "each has his own"
    );
    tokio::time::advance(ms(40)).await;
    assert_eq!(first.take(&bob, 1, limit).await.unwrap(), grant(0, 60));
    tokio::time::advance(ms(60)).await;
    assert_eq!(first.take(&bob, 9, limit).await.unwrap(), grant(1, 0));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(
        first.take(&bob, 9, limit).await.unwrap(),
        grant(5, 0),
        "no more than the burst"
    );
}
