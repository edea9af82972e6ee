//! The contracts of the session map, the offline index and the rate limiter.

use super::*;
use crate::ports::{
    Admission, ConnectionId, OfflineIndex, RateGrant, RateLimit, RateLimiter, SessionMap, SessionRef,
};

fn session(connection: &str, incarnation: &str) -> SessionRef {
    SessionRef {
        connection: ConnectionId::from_wire(connection),
        incarnation: Incarnation::from_wire(incarnation),
    }
}

#[tokio::test(start_paused = true)]
async fn connections_are_limited_and_the_dead_do_not_count() {
    let coordination = MemoryCoordination::new();
    let (node, bob) = (coordination.node(), user("bob"));
    let n1 = Incarnation::from_wire("n1");
    for (entered, limit, dead, expected) in [
        (session("1", "n1"), Some(2), vec![], Admission::Admitted),
        (session("2", "n2"), Some(2), vec![], Admission::Admitted),
        (session("3", "n2"), Some(2), vec![], Admission::Full),
        (session("2", "n3"), Some(1), vec![], Admission::Admitted),
        (session("3", "n2"), Some(2), vec![n1], Admission::Admitted),
        (session("4", "n2"), Some(0), vec![], Admission::Full),
        (session("4", "n2"), None, vec![], Admission::Admitted),
    ] {
        let admission = node.connect(&bob, &entered, limit, &dead).await.unwrap();
        assert_eq!(admission, expected, "{entered:?}");
    }
    let left = [session("2", "n3"), session("3", "n2"), session("4", "n2")];
    assert_eq!(coordination.session_map(&bob), left);
}

#[tokio::test(start_paused = true)]
async fn only_ones_own_entry_is_removed() {
    let coordination = MemoryCoordination::new();
    let (node, bob) = (coordination.node(), user("bob"));
    node.connect(&bob, &session("1", "n2"), None, &[]).await.unwrap();
    node.disconnect(&bob, &session("1", "n1")).await.unwrap();
    let users = [user("eve"), bob.clone()];
    assert_eq!(
        node.sessions(&users).await.unwrap(),
        [vec![], vec![session("1", "n2")]]
    );
    node.disconnect(&bob, &session("1", "n2")).await.unwrap();
    assert_eq!(node.sessions(&users).await.unwrap(), [vec![], vec![]]);
}

#[tokio::test(start_paused = true)]
async fn the_first_that_was_not_sent_is_noted_once() {
    let coordination = MemoryCoordination::new();
    let (node, users) = (coordination.node(), [user("bob"), user("eve")]);
    node.enqueue(&conversation("a"), 5, &users).await.unwrap();
    node.enqueue(&conversation("a"), 6, &users).await.unwrap();
    node.enqueue(&conversation("b"), 2, &users[..1]).await.unwrap();
    assert_eq!(
        node.pending(&users[0]).await.unwrap(),
        [(conversation("a"), 5), (conversation("b"), 2)]
    );
    assert_eq!(node.pending(&users[1]).await.unwrap(), [(conversation("a"), 5)]);
}

#[tokio::test(start_paused = true)]
async fn the_delivered_mark_moves_what_is_noted_and_removes_it_at_the_head() {
    for (name, mark, head, expected) in [
        ("behind what is noted", 3, 9, Some(5)),
        ("in between", 6, 9, Some(7)),
        ("at the head", 9, 9, None),
        ("at a head that is older than what is noted", 4, 4, Some(5)),
    ] {
        let coordination = MemoryCoordination::new();
        let (node, bob, a) = (coordination.node(), user("bob"), conversation("a"));
        node.delivered(&bob, &a, mark, head).await.unwrap();
        assert!(
            coordination.queue(&bob).is_empty(),
            "{name}: nothing is noted by it"
        );
        node.enqueue(&a, 5, std::slice::from_ref(&bob)).await.unwrap();
        node.delivered(&bob, &a, mark, head).await.unwrap();
        let noted = coordination.queue(&bob).first().map(|(_, seq)| *seq);
        assert_eq!(noted, expected, "{name}");
    }
}

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
