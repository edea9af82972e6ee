//! Leases, marks, and what is published with a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use starling_core::ports::{AfterCommit, Commit, Committed, LeaseState, LeaseToken, Leases, Reservation};
use starling_protocol::{ConversationId, Seq};
use tokio::time::{Instant, sleep};

use crate::server::Deployment;
use crate::support::{Node, conversation, eventually, on_both, patient_settings};

on_both! {
    a_free_lease_is_granted_with_the_marks_before,
    a_handover_that_is_not_claimed_expires,
    a_waiter_that_stopped_polling_is_passed_over,
    a_lease_is_kept_and_renewed,
    marks_are_set_by_the_commit_alone,
    scripts_are_taught_again,
    only_one_holds_the_lease_at_a_time,
}

fn commit(node: &Node, id: &ConversationId, claim: u64, head: Seq, then: AfterCommit) -> Arc<Commit> {
    Arc::new(Commit {
        conversation: id.clone(),
        token: Some(node.token(claim)),
        head,
        then,
        payload: Bytes::from(format!("batch up to {head}")),
        entries: Vec::new(),
        takes_back: false,
        own: node.incarnation.clone(),
        handover: Bytes::from_static(b"yours"),
    })
}

/// Nobody is forgotten, and nothing that was handed over expires, while a busy machine is slow.
async fn patient_node(deployment: &Deployment) -> Node {
    let mut settings = patient_settings(deployment);
    settings.poll_interval = Duration::from_secs(10);
    settings.handover_ttl = Duration::from_secs(10);
    Node::start_with(settings).await
}

async fn reserve(node: &Node, id: &ConversationId, claim: u64) -> Reservation {
    node.redis.reserve(id, &node.token(claim), 1).await.unwrap()
}

async fn is_granted(node: &Node, id: &ConversationId, claim: u64) -> bool {
    matches!(reserve(node, id, claim).await, Reservation::Granted { .. })
}

fn holder(deployment: &Deployment, id: &ConversationId) -> String {
    deployment.cli(&["GET", &format!("lock:conversation:{{{id}}}")])
}

fn marks(deployment: &Deployment, id: &ConversationId) -> String {
    deployment
        .cli(&["HMGET", &format!("seq:{{{id}}}"), "counter", "head"])
        .replace('\n', " ")
        .trim()
        .to_owned()
}

async fn a_free_lease_is_granted_with_the_marks_before(deployment: &Deployment) {
    let (a, b, id) = (
        Node::start(deployment).await,
        Node::start(deployment).await,
        conversation(),
    );

    let granted = a.redis.reserve(&id, &a.token(1), 3).await.unwrap();
    assert_eq!(
        granted,
        Reservation::Granted {
            counter: None,
            head: None
        }
    );
    assert_eq!(holder(deployment, &id), a.token(1).to_string());

    let again = a.redis.reserve(&id, &a.token(1), 2).await.unwrap();
    assert_eq!(
        again,
        Reservation::Granted {
            counter: Some(3),
            head: None
        },
        "the holder reserves more"
    );

    assert_eq!(reserve(&b, &id, 1).await, Reservation::Waiting);
    assert_eq!(marks(deployment, &id), "5", "who waits reserves nothing");

    b.redis.abandon(&id, &b.token(1)).await.unwrap();
    let committed = a
        .redis
        .commit(commit(&a, &id, 1, 4, AfterCommit::Release))
        .await
        .unwrap();
    assert_eq!(
        committed,
        Committed {
            lease: LeaseState::Released,
            route: vec![]
        }
    );
    assert_eq!(holder(deployment, &id), "");
    assert_eq!(
        marks(deployment, &id),
        "4 4",
        "the marks are what is stored, not what was reserved"
    );

    assert_eq!(
        reserve(&b, &id, 2).await,
        Reservation::Granted {
            counter: Some(4),
            head: Some(4)
        }
    );
}

async fn a_handover_that_is_not_claimed_expires(deployment: &Deployment) {
    let mut settings = patient_settings(deployment);
    settings.poll_interval = Duration::from_secs(10);
    let node = Node::start_with(settings).await;
    let id = conversation();
    assert!(is_granted(&node, &id, 1).await);
    assert_eq!(reserve(&node, &id, 2).await, Reservation::Waiting);
    let handed = Instant::now();
    node.redis
        .commit(commit(&node, &id, 1, 1, AfterCommit::Release))
        .await
        .unwrap();

    let ttl: i64 = deployment
        .cli(&["PTTL", &format!("lock:conversation:{{{id}}}")])
        .parse()
        .unwrap();
    let is_gone = ttl == -2;
    assert!(is_gone || (0..=200).contains(&ttl), "{ttl}");
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
    assert_eq!(reserve(&node, &id, 2).await, Reservation::Waiting, "too late");
}

async fn a_waiter_that_stopped_polling_is_passed_over(deployment: &Deployment) {
    let (node, id) = (patient_node(deployment).await, conversation());
    assert!(is_granted(&node, &id, 1).await);
    for claim in [2, 3] {
        assert_eq!(reserve(&node, &id, claim).await, Reservation::Waiting);
    }
    // As if it had polled for the last time long ago.
    let (polls, stopped) = (format!("polls:{{{id}}}"), node.token(2).to_string());
    assert_eq!(
        deployment.cli(&["HSET", &polls, &stopped, "1"]),
        "0",
        "it is known"
    );
    node.redis
        .commit(commit(&node, &id, 1, 1, AfterCommit::Release))
        .await
        .unwrap();
    assert_eq!(holder(deployment, &id), node.token(3).to_string());
    let left = deployment.cli(&["EXISTS", &format!("waiters:{{{id}}}"), &format!("polls:{{{id}}}")]);
    assert_eq!(left, "0", "the waiters are forgotten with it");
}

async fn a_lease_is_kept_and_renewed(deployment: &Deployment) {
    let (node, other, id) = (
        patient_node(deployment).await,
        patient_node(deployment).await,
        conversation(),
    );
    let lock = format!("lock:conversation:{{{id}}}");
    assert!(is_granted(&node, &id, 1).await);
    assert_eq!(reserve(&other, &id, 1).await, Reservation::Waiting);
    deployment.cli(&["PEXPIRE", &lock, "30000"]);

    let committed = node
        .redis
        .commit(commit(&node, &id, 1, 10, AfterCommit::Keep { reserve: 5 }))
        .await
        .unwrap();
    assert_eq!(committed.lease, LeaseState::Kept);
    assert_eq!(marks(deployment, &id), "15 10");
    assert_eq!(
        holder(deployment, &id),
        node.token(1).to_string(),
        "kept although another waits"
    );
    let ttl: u64 = deployment.cli(&["PTTL", &lock]).parse().unwrap();
    assert!((30_001..=60_000).contains(&ttl), "{ttl}");
    let days: u64 = deployment
        .cli(&["TTL", &format!("seq:{{{id}}}")])
        .parse()
        .unwrap();
    assert!((604_700..=604_800).contains(&days), "{days}");
}

async fn marks_are_set_by_the_commit_alone(deployment: &Deployment) {
    let (node, id) = (Node::start(deployment).await, conversation());
    let seq = format!("seq:{{{id}}}");
    // As a flush, a stale failover or a lost reply may leave it: hints, given as they are.
    for (set, counter, head) in [
        (&["DEL", &seq][..], None, None),
        (&["HSET", &seq, "counter", "12", "head", "10"], Some(12), Some(10)),
        (&["HDEL", &seq, "head"], Some(13), None),
        (
            &["HSET", &seq, "counter", "3", "head", "9007199254740991"],
            Some(3),
            Some(9_007_199_254_740_991),
        ),
        (&["HDEL", &seq, "counter"], None, Some(9_007_199_254_740_991)),
    ] {
        deployment.cli(set);
        assert_eq!(
            reserve(&node, &id, 1).await,
            Reservation::Granted { counter, head }
        );
    }
    let far = 9_007_199_254_000_000;
    node.redis
        .commit(commit(&node, &id, 1, far, AfterCommit::Keep { reserve: 7 }))
        .await
        .unwrap();
    assert_eq!(
        marks(deployment, &id),
        format!("{} {far}", far + 7),
        "whole numbers stay whole"
    );
}

async fn scripts_are_taught_again(deployment: &Deployment) {
    let (node, id) = (Node::start(deployment).await, conversation());
    for claim in 1..=3 {
        deployment.cli_everywhere(&["SCRIPT", "FLUSH"]);
        assert!(is_granted(&node, &id, claim).await);
        deployment.cli_everywhere(&["SCRIPT", "FLUSH"]);
        let committed = node
            .redis
            .commit(commit(&node, &id, claim, claim, AfterCommit::Release))
            .await
            .unwrap();
        assert_eq!(committed.lease, LeaseState::Released);
    }
}

/// Several nodes append to one log of their own making, by polls alone, with batches that overlap.
async fn only_one_holds_the_lease_at_a_time(deployment: &Deployment) {
    const NODES: u64 = 4;
    const ROUNDS: u64 = 25;
    let id = conversation();
    let head = Arc::new(AtomicU64::new(0));
    let held = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for _ in 0..NODES {
        let (node, id) = (Node::start(deployment).await, id.clone());
        let (head, held) = (Arc::clone(&head), Arc::clone(&held));
        workers.push(tokio::spawn(async move {
            let mut done = 0;
            for claim in 1.. {
                let token: LeaseToken = node.token(claim);
                while matches!(
                    node.redis.reserve(&id, &token, 1).await.unwrap(),
                    Reservation::Waiting
                ) {
                    sleep(Duration::from_millis(5)).await;
                }
                loop {
                    assert!(!held.swap(true, Ordering::SeqCst), "two hold the lease");
                    let next = head.fetch_add(1, Ordering::SeqCst) + 1;
                    tokio::task::yield_now().await;
                    held.store(false, Ordering::SeqCst);
                    done += 1;
                    let then = match done % 3 {
                        0 => AfterCommit::Release,
                        1 => AfterCommit::Yield { reserve: 1 },
                        _ => AfterCommit::Keep { reserve: 1 },
                    };
                    let then = if done == ROUNDS {
                        AfterCommit::Release
                    } else {
                        then
                    };
                    let committed = node
                        .redis
                        .commit(commit(&node, &id, claim, next, then))
                        .await
                        .unwrap();
                    match committed.lease {
                        LeaseState::Kept => {}
                        LeaseState::Released if done == ROUNDS => return,
                        LeaseState::Released => break,
                        LeaseState::Lost => panic!("no lease expires here"),
                    }
                }
            }
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    let all = NODES * ROUNDS;
    assert_eq!(marks(deployment, &id), format!("{all} {all}"));
    assert_eq!(holder(deployment, &id), "");
}
