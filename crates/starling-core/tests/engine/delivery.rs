//! Delivery when pub/sub fails: at most once becomes all, in order (I4, I7).

use starling_core::Identity;
use starling_protocol::CloseCode;

use crate::cluster::{Cluster, message, ms};

#[tokio::test(start_paused = true)]
async fn dropped_messages_are_found_by_comparing_heads() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    for round in 0..5 {
        // The last ones of a round are lost, so that nothing later reveals the gap.
        ann.send(&group, &format!("{round}-kept")).await.unwrap();
        cluster.coordination.drop_messages(1_000);
        ann.send(&group, &format!("{round}-lost")).await.unwrap();
        cluster.coordination.drop_messages(0);
        bob.has(&group, 2, 3 + 2 * round).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_subscription_costs_latency_only() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    for index in 0..40 {
        if index % 10 == 5 {
            cluster.coordination.kill_pubsub();
        }
        ann.send(&group, &format!("{index}")).await.unwrap();
    }
    bob.has(&group, 2, 41).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_let_go_and_does_not_hold_up_others() {
    let cluster = Cluster::start(1).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    let outbox = starling_core::Outbox::new(20_000);
    let slow = cluster.nodes[0]
        .open_session(Identity::of(crate::cluster::user("bob")), outbox.clone())
        .await
        .unwrap();
    slow.handle(
        1,
        starling_protocol::Command::Sync(starling_protocol::Sync::default()),
    )
    .await;
    tokio::time::sleep(ms(500)).await;
    for index in 0..200 {
        ann.command(message(&group, &format!("{index}"))).await;
    }
    ann.has(&group, 2, 201).await;
    assert_eq!(outbox.closed(), Some(CloseCode::SlowConsumer));
}
