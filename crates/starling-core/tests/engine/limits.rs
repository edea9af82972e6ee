//! Limits hold cluster-wide, with the documented defaults.

use starling_core::Settings;
use starling_core::memory::Latency;
use starling_protocol::{CloseCode, ErrorCode};

use crate::cluster::{Cluster, eventually, message, ms, user};

#[tokio::test(start_paused = true)]
async fn a_user_sends_a_burst_of_100_and_then_20_a_second_on_whichever_nodes() {
    let cluster = Cluster::start_with(2, Settings::default()).await;
    let group = cluster.group(&["ann"]).await;
    let ann = [cluster.connect(0, "ann").await, cluster.connect(1, "ann").await];
    let mut ids = Vec::new();
    for index in 0..300 {
        let client = &ann[index % 2];
        ids.push((client, client.command(message(&group, &format!("{index}"))).await));
    }
    let mut refused = 0;
    for (client, id) in ids {
        if let Err(error) = eventually("a reply", || client.reply(id)).await {
            assert_eq!(error.code, ErrorCode::RateLimited);
            assert!(
                error.retry_after_ms.is_some_and(|ms| (1..=2_000).contains(&ms)),
                "{error:?}"
            );
            refused += 1;
        }
    }
    let stored = cluster.log(&group).len() - 1;
    assert_eq!(stored + refused, 300);
    // A little more than the burst: it refills while the sends are made.
    assert!((90..=140).contains(&stored), "{stored} of 300 at once");

    tokio::time::sleep(ms(10_000)).await;
    assert!(ann[0].send(&group, "later").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_sixth_connection_is_refused_until_one_is_gone() {
    let cluster = Cluster::start_with(3, Settings::default()).await;
    let mut clients = Vec::new();
    for number in 0..5 {
        clients.push(cluster.open(number % 3, "ann").await.unwrap());
    }
    let refused = cluster.open(0, "ann").await.err().unwrap();
    assert_eq!(refused.code, ErrorCode::TooManyConnections);
    assert!(cluster.open(0, "bob").await.is_ok());
    clients.pop().unwrap().session.close().await;
    assert!(cluster.open(2, "ann").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn connections_of_a_dead_node_do_not_count() {
    let mut cluster = Cluster::start_with(2, Settings::default()).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(cluster.open(1, "ann").await.unwrap());
    }
    // The node dies: nothing of it runs any more, its liveness expires.
    cluster.ports[1].set_reachable(false);
    drop(cluster.nodes.pop());
    assert!(cluster.open(0, "ann").await.is_err());
    tokio::time::sleep(ms(13_000)).await;
    assert!(cluster.open(0, "ann").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_draining_node_answers_what_is_in_flight_and_sends_its_clients_elsewhere() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann"]).await;
    let ann = cluster.connect(0, "ann").await;
    let mut ids = Vec::new();
    for index in 0..50 {
        ids.push(ann.command(message(&group, &format!("{index}"))).await);
    }
    cluster.nodes[0].drain().await;
    assert_eq!(ann.closed(), Some(CloseCode::GoingAway));
    for id in ids {
        assert!(eventually("a reply", || ann.reply(id)).await.is_ok());
    }
    assert_eq!(
        cluster.open(0, "ann").await.err().unwrap().code,
        ErrorCode::Unavailable
    );
    assert!(!cluster.nodes[0].health().await.ready());
    let again = cluster.connect(1, "ann").await;
    assert_eq!(
        again.send(&group, "49").await.unwrap().seq,
        51,
        "sent again, stored once"
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ended_while_coordination_was_away_does_not_count_for_ever() {
    let cluster = Cluster::start_with(2, Settings::default()).await;
    for _ in 0..5 {
        let client = cluster.open(0, "ann").await.unwrap();
        // Away for a moment only: the node keeps its incarnation.
        cluster.ports[0].coordination.set_reachable(false);
        client.session.close().await;
        cluster.ports[0].coordination.set_reachable(true);
    }
    eventually("room for a connection", || {
        cluster
            .coordination
            .session_map(&crate::cluster::user("ann"))
            .is_empty()
            .then_some(())
    })
    .await;
    assert!(cluster.open(1, "ann").await.is_ok());
}

/// A worker that never lets go would keep the process from ending.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a worker that is at work, which the runtime has to wait for"
)]
fn a_runtime_that_ends_in_the_middle_of_a_send_does_end() {
    let (ended, has_ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let cluster = Cluster::start(1).await;
            let id = cluster.group(&["ann"]).await;
            // So that a sender waits for nothing but his conversation's turn.
            cluster.store.set_latency(Latency::None);
            cluster.coordination.set_latency(Latency::None);
            let node = cluster.nodes[0].clone();
            tokio::spawn(async move {
                std::thread::sleep(ms(500));
                let _ = node.execute(&user("ann"), message(&id, "late")).await;
            });
            tokio::time::sleep(ms(100)).await;
        });
        drop(runtime);
        let _ = ended.send(());
    });
    let ended = has_ended.recv_timeout(std::time::Duration::from_secs(20));
    assert!(ended.is_ok(), "the runtime does not end");
}
