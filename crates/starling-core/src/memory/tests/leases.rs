//! The contract of leases.

use super::super::Timing;
use super::*;
use crate::ports::{AfterCommit, Commit, LeaseState, LeaseToken, Leases, Reservation};

fn token(of: &Listener, claim: u64) -> LeaseToken {
    LeaseToken {
        incarnation: of.incarnation.clone(),
        claim,
    }
}

fn granted(counter: impl Into<Option<Seq>>, head: impl Into<Option<Seq>>) -> Reservation {
    Reservation::Granted {
        counter: counter.into(),
        head: head.into(),
    }
}

fn commit(own: &Listener, token: Option<LeaseToken>, head: Seq, then: AfterCommit) -> Arc<Commit> {
    Arc::new(Commit {
        conversation: conversation("c"),
        token,
        head,
        then,
        payload: "batch".into(),
        entries: Vec::new(),
        takes_back: false,
        own: own.incarnation.clone(),
        handover: "yours".into(),
    })
}

/// A service with two nodes, both on the route of conversation `c`.
async fn two_nodes() -> (MemoryCoordination, Listener, Listener) {
    let coordination = MemoryCoordination::new();
    let (a, b) = (
        listening(&coordination, 16).await,
        listening(&coordination, 16).await,
    );
    for of in [&a, &b] {
        of.node
            .join_routes(&[conversation("c")], &of.incarnation)
            .await
            .unwrap();
    }
    (coordination, a, b)
}

async fn reserve(of: &Listener, claim: u64, want: u32) -> Reservation {
    of.node
        .reserve(&conversation("c"), &token(of, claim), want)
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_marks_are_those_before_the_reservation() {
    let (coordination, a, _b) = two_nodes().await;
    assert_eq!(reserve(&a, 1, 3).await, granted(None, None));
    assert_eq!(reserve(&a, 1, 2).await, granted(3, None));
    a.node
        .commit(commit(&a, Some(token(&a, 1)), 4, AfterCommit::Release))
        .await
        .unwrap();
    assert_eq!(
        coordination.marks(&conversation("c")),
        (Some(4), Some(4)),
        "the counter is set right"
    );
    assert_eq!(
        reserve(&a, 2, 1).await,
        granted(4, 4),
        "what a clean predecessor leaves"
    );
}

#[tokio::test(start_paused = true)]
async fn one_claim_holds_the_lease() {
    let (coordination, a, b) = two_nodes().await;
    reserve(&a, 1, 1).await;
    assert_eq!(reserve(&b, 1, 1).await, Reservation::Waiting);
    assert_eq!(
        reserve(&a, 2, 1).await,
        Reservation::Waiting,
        "another claim of the same node"
    );
    assert_eq!(coordination.lock_holder(&conversation("c")), Some(token(&a, 1)));
    assert_eq!(
        coordination.waiters(&conversation("c")),
        [token(&b, 1), token(&a, 2)]
    );
    assert_eq!(
        coordination.marks(&conversation("c")).0,
        Some(1),
        "waiters reserve nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_expires_unless_renewed() {
    let (_coordination, a, b) = two_nodes().await;
    let ttl = a.node.ttl();
    reserve(&a, 1, 1).await;
    tokio::time::advance(ttl - ms(1)).await;
    reserve(&a, 1, 1).await;
    tokio::time::advance(ttl - ms(1)).await;
    assert_eq!(
        reserve(&b, 1, 1).await,
        Reservation::Waiting,
        "reserving renewed it"
    );
    tokio::time::advance(ms(1)).await;
    assert_eq!(reserve(&b, 1, 1).await, granted(2, None));
    assert_eq!(reserve(&a, 1, 1).await, Reservation::Waiting);
}

#[tokio::test(start_paused = true)]
async fn the_payload_goes_to_the_route_and_the_handover_after_it() {
    let (coordination, mut a, mut b) = two_nodes().await;
    reserve(&a, 1, 1).await;
    reserve(&b, 7, 1).await;
    let committed = a
        .node
        .commit(commit(&a, Some(token(&a, 1)), 1, AfterCommit::Release))
        .await
        .unwrap();

    assert_eq!(committed.lease, LeaseState::Released);
    let mut route = vec![a.incarnation.clone(), b.incarnation.clone()];
    route.sort();
    assert_eq!(committed.route, route, "the route is told whole");
    assert_eq!(b.heard().await, ["batch", "yours"]);
    assert!(a.heard().await.is_empty(), "a node does not publish to itself");
    assert_eq!(coordination.lock_holder(&conversation("c")), Some(token(&b, 7)));
    assert_eq!(reserve(&b, 7, 1).await, granted(1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_empty_payload_is_not_published() {
    let (_coordination, a, mut b) = two_nodes().await;
    let mut empty = Commit::clone(&commit(&a, None, 1, AfterCommit::Release));
    empty.payload = "".into();
    assert_eq!(a.node.commit(Arc::new(empty)).await.unwrap().route.len(), 2);
    assert!(b.heard().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lease_handed_over_lasts_until_claimed() {
    let (coordination, a, b) = two_nodes().await;
    let c = listening(&coordination, 16).await;
    for (claimed, after, lasts) in [
        (false, ms(199), true),
        (false, ms(200), false),
        (true, ms(200), true),
    ] {
        reserve(&a, 1, 1).await;
        reserve(&b, 1, 1).await;
        a.node
            .commit(commit(&a, Some(token(&a, 1)), 1, AfterCommit::Release))
            .await
            .unwrap();
        if claimed {
            reserve(&b, 1, 1).await;
        }
        tokio::time::advance(after).await;
        let waits = reserve(&c, 1, 1).await == Reservation::Waiting;
        assert_eq!(waits, lasts, "claimed: {claimed}, after {after:?}");
        for of in [&b, &c] {
            of.node.abandon(&conversation("c"), &token(of, 1)).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_order_and_forgotten_after_two_missed_polls() {
    let (coordination, a, b) = two_nodes().await;
    let c = listening(&coordination, 16).await;
    let poll = a.node.poll_interval();
    reserve(&a, 1, 1).await;
    reserve(&b, 1, 1).await;
    reserve(&c, 1, 1).await;
    tokio::time::advance(2 * poll - ms(1)).await;
    reserve(&b, 1, 1).await;
    reserve(&c, 1, 1).await;
    assert_eq!(
        coordination.waiters(&conversation("c")),
        [token(&b, 1), token(&c, 1)],
        "polling keeps the place"
    );
    tokio::time::advance(poll).await;
    reserve(&c, 1, 1).await;
    tokio::time::advance(poll).await;
    assert_eq!(coordination.waiters(&conversation("c")), [token(&c, 1)]);
    a.node
        .commit(commit(&a, Some(token(&a, 1)), 1, AfterCommit::Release))
        .await
        .unwrap();
    assert_eq!(coordination.lock_holder(&conversation("c")), Some(token(&c, 1)));
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_the_lease() {
    let keep = AfterCommit::Keep { reserve: 5 };
    let share = AfterCommit::Yield { reserve: 5 };
    for (then, waiter, lease, counter) in [
        (AfterCommit::Release, false, LeaseState::Released, 1),
        (AfterCommit::Release, true, LeaseState::Released, 1),
        (keep, false, LeaseState::Kept, 6),
        (keep, true, LeaseState::Kept, 6),
        (share, false, LeaseState::Kept, 6),
        (share, true, LeaseState::Released, 1),
    ] {
        let (coordination, a, b) = two_nodes().await;
        reserve(&a, 1, 1).await;
        if waiter {
            reserve(&b, 1, 1).await;
        }
        let committed = a
            .node
            .commit(commit(&a, Some(token(&a, 1)), 1, then))
            .await
            .unwrap();
        assert_eq!(committed.lease, lease, "{then:?}, waiter: {waiter}");
        assert_eq!(
            coordination.marks(&conversation("c")),
            (Some(counter), Some(1)),
            "{then:?}"
        );
        let holder = match (lease, waiter) {
            (LeaseState::Kept, _) => Some(token(&a, 1)),
            (_, true) => Some(token(&b, 1)),
            (_, false) => None,
        };
        assert_eq!(
            coordination.lock_holder(&conversation("c")),
            holder,
            "{then:?}, waiter: {waiter}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn keeping_renews() {
    let (coordination, a, _b) = two_nodes().await;
    reserve(&a, 1, 1).await;
    tokio::time::advance(a.node.ttl() - ms(1)).await;
    let kept = commit(&a, Some(token(&a, 1)), 1, AfterCommit::Keep { reserve: 1 });
    a.node.commit(kept).await.unwrap();
    tokio::time::advance(a.node.ttl() - ms(1)).await;
    assert_eq!(coordination.lock_holder(&conversation("c")), Some(token(&a, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_commit_without_the_lease_publishes_and_leaves_the_marks_alone() {
    for held in [true, false] {
        let (coordination, a, mut b) = two_nodes().await;
        coordination.set_marks(&conversation("c"), 9);
        let stale = held.then(|| token(&a, 1));
        if held {
            reserve(&a, 1, 1).await;
            coordination.expire_lease(&conversation("c"));
            reserve(&b, 1, 1).await;
        }
        let before = coordination.marks(&conversation("c"));
        let late = commit(&a, stale, 4, AfterCommit::Keep { reserve: 3 });
        let committed = a.node.commit(late).await.unwrap();
        assert_eq!(committed.lease, LeaseState::Lost);
        assert_eq!(committed.route.len(), 2);
        assert_eq!(b.heard().await, ["batch"]);
        assert_eq!(coordination.marks(&conversation("c")), before);
        assert_eq!(
            coordination.lock_holder(&conversation("c")),
            held.then(|| token(&b, 1))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn abandoning_frees_the_lease_or_the_place() {
    let (coordination, a, b) = two_nodes().await;
    let c = conversation("c");
    reserve(&a, 1, 1).await;
    reserve(&b, 1, 1).await;
    a.node.abandon(&c, &token(&a, 2)).await.unwrap();
    assert_eq!(
        coordination.lock_holder(&c),
        Some(token(&a, 1)),
        "an old claim touches nothing"
    );
    b.node.abandon(&c, &token(&b, 1)).await.unwrap();
    assert!(coordination.waiters(&c).is_empty());
    a.node.abandon(&c, &token(&a, 1)).await.unwrap();
    assert_eq!(coordination.lock_holder(&c), None);
    assert_eq!(
        reserve(&b, 2, 1).await,
        granted(1, None),
        "the counter tells that something was reserved"
    );
}

#[tokio::test(start_paused = true)]
async fn times_are_as_given() {
    let timing = Timing {
        lease: ms(70),
        poll: ms(7),
        ..Timing::default()
    };
    let node = MemoryCoordination::with_timing(timing).node();
    assert_eq!((node.ttl(), node.poll_interval()), (ms(70), ms(7)));
}
