//! Leases, marks, and what is published with a commit.
//!
//! Who holds a lease, and what the marks are, is seen by reserving nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use starling_core::ports::{AfterCommit, BusEvent, Commit, Committed, LeaseState, Reservation};
use starling_protocol::{ConversationId, Seq};
use tokio::time::{Instant, sleep};

use super::support::{Node, PATIENT, conversation, eventually};
use crate::{Pace, Service};

fn batch(node: &Node, id: &ConversationId, claim: u64, head: Seq, then: AfterCommit) -> Commit {
    Commit {
        conversation: id.clone(),
        token: Some(node.token(claim)),
        head,
        then,
        payload: Bytes::from(format!("batch up to {head}")),
        entries: Vec::new(),
        takes_back: false,
        own: node.incarnation.clone(),
        handover: Bytes::from_static(b"yours"),
    }
}

async fn commit(node: &Node, id: &ConversationId, claim: u64, head: Seq, then: AfterCommit) -> Committed {
    let commit = Arc::new(batch(node, id, claim, head, then));
    node.ports.commit(commit).await.unwrap()
}

async fn release(node: &Node, id: &ConversationId, claim: u64, head: Seq) {
    let committed = commit(node, id, claim, head, AfterCommit::Release).await;
    assert_eq!(committed.lease, LeaseState::Released);
}

async fn reserve(node: &Node, id: &ConversationId, claim: u64, want: u32) -> Reservation {
    node.ports.reserve(id, &node.token(claim), want).await.unwrap()
}

fn granted(counter: impl Into<Option<Seq>>, head: impl Into<Option<Seq>>) -> Reservation {
    Reservation::Granted {
        counter: counter.into(),
        head: head.into(),
    }
}

async fn is_granted(node: &Node, id: &ConversationId, claim: u64) -> bool {
    matches!(reserve(node, id, claim, 0).await, Reservation::Granted { .. })
}

pub async fn a_free_lease_is_granted_with_the_marks_before(service: &dyn Service) {
    let (a, b) = (
        Node::start_at(service, PATIENT).await,
        Node::start_at(service, PATIENT).await,
    );
    let id = conversation();
    assert_eq!(reserve(&a, &id, 1, 3).await, granted(None, None));
    assert_eq!(
        reserve(&a, &id, 1, 2).await,
        granted(3, None),
        "the holder reserves more"
    );
    assert_eq!(reserve(&b, &id, 1, 7).await, Reservation::Waiting);
    assert_eq!(
        reserve(&a, &id, 1, 0).await,
        granted(5, None),
        "who waits reserves nothing"
    );
    b.ports.abandon(&id, &b.token(1)).await.unwrap();
    release(&a, &id, 1, 4).await;
    // The marks are what is stored, not what was reserved.
    assert_eq!(reserve(&b, &id, 2, 1).await, granted(4, 4));
    assert_eq!(b.ports.ttl(), PATIENT.lease);
    assert_eq!(b.ports.poll_interval(), PATIENT.poll);
}

pub async fn waiters_are_served_in_order_of_arrival(service: &dyn Service) {
    let (node, id) = (Node::start_at(service, PATIENT).await, conversation());
    assert!(is_granted(&node, &id, 1).await);
    for claim in [2, 3, 4, 3, 2] {
        assert_eq!(reserve(&node, &id, claim, 1).await, Reservation::Waiting);
    }
    for claim in [1, 2, 3] {
        release(&node, &id, claim, claim).await;
        for later in claim + 2..=4 {
            assert_eq!(reserve(&node, &id, later, 1).await, Reservation::Waiting);
        }
        assert_eq!(reserve(&node, &id, claim + 1, 1).await, granted(claim, claim));
    }
    release(&node, &id, 4, 4).await;
    assert!(is_granted(&node, &id, 5).await, "nobody waits any more");
}

pub async fn the_heir_hears_the_batch_and_then_the_handover(service: &dyn Service) {
    let (mut a, mut b, mut c) = (
        Node::start_at(service, PATIENT).await,
        Node::start_at(service, PATIENT).await,
        Node::start_at(service, PATIENT).await,
    );
    let id = conversation();
    for node in [&a, &b, &c] {
        let ids = std::slice::from_ref(&id);
        node.ports.join_routes(ids, &node.incarnation).await.unwrap();
    }
    for round in 1..=20 {
        assert!(is_granted(&a, &id, round).await);
        assert_eq!(reserve(&b, &id, round, 1).await, Reservation::Waiting);
        let committed = commit(&a, &id, round, 2 * round - 1, AfterCommit::Release).await;
        assert_eq!(committed.lease, LeaseState::Released);
        let mut route = committed.route;
        route.sort();
        let mut expected = [&a, &b, &c].map(|node| node.incarnation.clone());
        expected.sort();
        assert_eq!(route, expected, "the route is told whole");

        let batch = |head: Seq| BusEvent::Message(format!("batch up to {head}").into());
        assert_eq!(b.heard().await, batch(2 * round - 1));
        assert_eq!(b.heard().await, BusEvent::Message(Bytes::from_static(b"yours")));
        assert!(
            is_granted(&b, &id, round).await,
            "what was handed over can be claimed"
        );
        release(&b, &id, round, 2 * round).await;
        assert_eq!(a.heard().await, batch(2 * round), "not its own");
        assert_eq!(c.heard().await, batch(2 * round - 1));
        assert_eq!(c.heard().await, batch(2 * round));
    }
}

pub async fn a_handover_that_is_not_claimed_expires(service: &dyn Service) {
    let pace = Pace {
        handover: Duration::from_millis(200),
        ..PATIENT
    };
    let (node, id) = (Node::start_at(service, pace).await, conversation());
    assert!(is_granted(&node, &id, 1).await);
    assert_eq!(reserve(&node, &id, 2, 1).await, Reservation::Waiting);
    let handed = Instant::now();
    release(&node, &id, 1, 1).await;
    // Claim 2 sleeps; 3 came later, and finds the lease free once it has expired.
    eventually("the handed lease expires", async || {
        is_granted(&node, &id, 3).await
    })
    .await;
    assert!(
        handed.elapsed() >= Duration::from_millis(190),
        "{:?}",
        handed.elapsed()
    );
    assert_eq!(reserve(&node, &id, 2, 1).await, Reservation::Waiting, "too late");
}

pub async fn a_waiter_that_stopped_polling_is_passed_over(service: &dyn Service) {
    let pace = Pace {
        poll: Duration::from_millis(200),
        ..PATIENT
    };
    let (node, id) = (Node::start_at(service, pace).await, conversation());
    assert!(is_granted(&node, &id, 1).await);
    assert_eq!(reserve(&node, &id, 2, 1).await, Reservation::Waiting);
    let last_poll = Instant::now();
    while last_poll.elapsed() < pace.poll * 5 / 2 {
        assert_eq!(reserve(&node, &id, 3, 1).await, Reservation::Waiting);
        sleep(Duration::from_millis(10)).await;
    }
    release(&node, &id, 1, 1).await;
    assert!(is_granted(&node, &id, 3).await);
}

pub async fn without_the_lease_a_commit_only_publishes(service: &dyn Service) {
    let (a, mut b) = (
        Node::start_at(service, PATIENT).await,
        Node::start_at(service, PATIENT).await,
    );
    let id = conversation();
    let ids = std::slice::from_ref(&id);
    b.ports.join_routes(ids, &b.incarnation).await.unwrap();

    // Never had one.
    let mut without = batch(&a, &id, 1, 7, AfterCommit::Keep { reserve: 1 });
    without.token = None;
    let committed = a.ports.commit(without.into()).await.unwrap();
    assert_eq!(
        (committed.lease, committed.route),
        (LeaseState::Lost, vec![b.incarnation.clone()])
    );
    assert_eq!(b.payload().await, "batch up to 7");

    // Another has it now.
    assert_eq!(
        reserve(&b, &id, 1, 3).await,
        granted(None, None),
        "the marks were left alone"
    );
    for then in [
        AfterCommit::Release,
        AfterCommit::Keep { reserve: 9 },
        AfterCommit::Yield { reserve: 9 },
    ] {
        assert_eq!(commit(&a, &id, 1, 8, then).await.lease, LeaseState::Lost);
        assert_eq!(b.payload().await, "batch up to 8");
        assert_eq!(reserve(&b, &id, 1, 0).await, granted(3, None));
    }

    // Nothing to say.
    let mut silent = batch(&a, &id, 1, 9, AfterCommit::Release);
    silent.payload = Bytes::new();
    a.ports.commit(silent.into()).await.unwrap();
    b.echo("next").await;
}

pub async fn a_lease_expires_unless_renewed(service: &dyn Service) {
    let pace = Pace {
        lease: Duration::from_millis(300),
        ..PATIENT
    };
    let (node, id) = (Node::start_at(service, pace).await, conversation());
    let began = Instant::now();
    assert!(is_granted(&node, &id, 1).await);
    // When it was asked for last: it lasts from some time after that.
    let mut asked = began;
    while began.elapsed() < pace.lease * 2 {
        sleep(Duration::from_millis(100)).await;
        let renewing = Instant::now();
        let kept = commit(&node, &id, 1, 1, AfterCommit::Keep { reserve: 1 })
            .await
            .lease;
        // Who is late may have lost it; then there is nothing to see.
        if asked.elapsed() >= pace.lease {
            break;
        }
        assert_eq!(kept, LeaseState::Kept);
        asked = renewing;
    }
    eventually("the lease expires", async || is_granted(&node, &id, 2).await).await;
    let late = commit(&node, &id, 1, 9, AfterCommit::Keep { reserve: 1 }).await;
    assert_eq!(late.lease, LeaseState::Lost);
}

pub async fn a_lease_is_yielded_only_to_someone(service: &dyn Service) {
    let (node, mut other) = (
        Node::start_at(service, PATIENT).await,
        Node::start_at(service, PATIENT).await,
    );
    let id = conversation();
    let yielded = AfterCommit::Yield { reserve: 2 };
    assert!(is_granted(&node, &id, 1).await);
    assert_eq!(
        commit(&node, &id, 1, 1, yielded).await.lease,
        LeaseState::Kept,
        "nobody waits"
    );
    assert_eq!(reserve(&node, &id, 1, 0).await, granted(3, 1));

    assert_eq!(reserve(&other, &id, 1, 1).await, Reservation::Waiting);
    let kept = commit(&node, &id, 1, 2, AfterCommit::Keep { reserve: 1 }).await;
    assert_eq!(kept.lease, LeaseState::Kept, "although another waits");
    assert_eq!(
        commit(&node, &id, 1, 3, yielded).await.lease,
        LeaseState::Released
    );
    assert_eq!(
        other.payload().await,
        "yours",
        "told although it is not on the route"
    );
    assert_eq!(
        reserve(&other, &id, 1, 0).await,
        granted(3, 3),
        "what is not kept reserves nothing"
    );
}

pub async fn a_claim_can_be_abandoned(service: &dyn Service) {
    let (a, b, c) = (
        Node::start_at(service, PATIENT).await,
        Node::start_at(service, PATIENT).await,
        Node::start_at(service, PATIENT).await,
    );
    let id = conversation();
    assert!(is_granted(&a, &id, 1).await);
    assert_eq!(reserve(&b, &id, 1, 1).await, Reservation::Waiting);
    assert_eq!(reserve(&c, &id, 1, 1).await, Reservation::Waiting);
    b.ports.abandon(&id, &b.token(1)).await.unwrap();
    assert!(is_granted(&a, &id, 1).await, "that was a waiter's place");
    release(&a, &id, 1, 1).await;
    assert!(is_granted(&c, &id, 1).await);
    c.ports.abandon(&id, &c.token(1)).await.unwrap();
    c.ports.abandon(&id, &c.token(1)).await.unwrap();
    assert!(is_granted(&b, &id, 2).await);
}

pub async fn claims_of_one_node_are_distinct(service: &dyn Service) {
    let (node, id) = (Node::start_at(service, PATIENT).await, conversation());
    assert!(is_granted(&node, &id, 2).await);
    assert_eq!(reserve(&node, &id, 1, 1).await, Reservation::Waiting);
    node.ports.abandon(&id, &node.token(1)).await.unwrap();
    let late = commit(&node, &id, 1, 9, AfterCommit::Release).await;
    assert_eq!(
        late.lease,
        LeaseState::Lost,
        "a late command of an old claim does not touch a newer one"
    );
    assert!(is_granted(&node, &id, 2).await);
}
