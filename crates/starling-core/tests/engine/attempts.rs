//! Further attempts where a message was not handed over (M6).

use starling_protocol::{Command, Delivered};

use crate::cluster::{Cluster, eventually, ms, settings, user};

/// Nothing but the attempts finds what is missing.
async fn cluster() -> Cluster {
    let settings = starling_core::Settings {
        audit_interval: ms(600_000),
        rotation_interval: ms(600_000),
        ..settings()
    };
    Cluster::start_with(2, settings).await
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_lost_between_nodes_comes_with_the_first_attempt_and_once() {
    let cluster = cluster().await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    ann.send(&group, "a").await.unwrap();
    bob.has(&group, 2, 2).await;
    tokio::time::sleep(ms(30_000)).await;
    cluster.ports[1].coordination.drop_messages(1);
    ann.send(&group, "b").await.unwrap();
    tokio::time::sleep(ms(500)).await;
    assert_eq!(bob.seqs(&group), [2]);
    tokio::time::sleep(ms(1_500)).await;
    bob.has(&group, 2, 3).await;
    // He never confirms: further attempts change nothing, and then it waits for him.
    tokio::time::sleep(ms(20_000)).await;
    assert_eq!(bob.seqs(&group), [2, 3]);
    let waiting = cluster.coordination.queue(&user("bob"));
    assert_eq!(waiting, [(group.clone(), 1)]);
    let confirmed = Delivered {
        conversation: group.clone(),
        seq: 3,
    };
    bob.call(Command::Delivered(confirmed)).await.unwrap();
    eventually("nothing waits", || {
        cluster.coordination.queue(&user("bob")).is_empty().then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_follows_where_the_first_was_lost_as_well() {
    let cluster = cluster().await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    tokio::time::sleep(ms(30_000)).await;
    cluster.ports[1].coordination.cut_pubsub();
    ann.send(&group, "a").await.unwrap();
    tokio::time::sleep(ms(3_000)).await;
    assert_eq!(bob.seqs(&group), [0; 0]);
    // Mended without word of it.
    let incarnation = cluster.ports[1].coordination.listening();
    assert!(incarnation.is_some());
    cluster.ports[1].coordination.mend_pubsub_silently();
    tokio::time::sleep(ms(3_000)).await;
    bob.has(&group, 2, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_member_whose_welcome_was_lost_is_found() {
    let cluster = cluster().await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    tokio::time::sleep(ms(5_000)).await;
    cluster.ports[1].coordination.drop_messages(10);
    let group = cluster.group(&["ann", "bob"]).await;
    tokio::time::sleep(ms(300)).await;
    cluster.ports[1].coordination.drop_messages(0);
    ann.has(&group, 1, 1).await;
    assert_eq!(bob.seqs(&group), [0; 0]);
    tokio::time::sleep(ms(2_000)).await;
    bob.has(&group, 1, 1).await;
}
