//! From cursors to live without a gap (I4, I7, I8).

use std::collections::BTreeMap;

use starling_core::{Drained, Identity, Outbox};
use starling_protocol::{Command, Delivered, ErrorCode, Event, List, Reply, ServerFrame, Sync};

use crate::cluster::{Client, Cluster, eventually, user};

#[tokio::test(start_paused = true)]
async fn a_client_resumes_from_any_depth_on_any_node_while_others_send() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    for index in 0..1_500 {
        ann.command(crate::cluster::message(&group, &format!("{index}")))
            .await;
    }
    ann.has(&group, 2, 1_501).await;
    for cursor in [0, 1, 700, 1_400, 1_501] {
        let bob = cluster.open(1, "bob").await.unwrap();
        let (synced, ()) = tokio::join!(bob.sync(BTreeMap::from([(group.clone(), cursor)])), async {
            for index in 0..40 {
                ann.send(&group, &format!("{cursor}-{index}")).await.unwrap();
            }
        });
        assert_eq!(synced.unwrap().conversations, 1);
        let head = cluster.store.head_seq(&group);
        bob.has(&group, cursor + 1, head).await;
        bob.session.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn cursors_past_the_head_and_of_strangers_are_refused() {
    let cluster = Cluster::start(1).await;
    let (group, other) = (
        cluster.group(&["ann", "bob"]).await,
        cluster.group(&["eve"]).await,
    );
    let bob = cluster.open(0, "bob").await.unwrap();
    let synced = bob
        .sync(BTreeMap::from([(group.clone(), 9), (other.clone(), 0)]))
        .await
        .unwrap();
    assert_eq!(synced.refused[&group].code, ErrorCode::CursorAhead);
    assert_eq!(synced.refused[&other].code, ErrorCode::NotAMember);
    assert_eq!(synced.conversations, 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_while_away_waits_for_a_client_without_cursors() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let quiet = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    ann.send(&group, "a").await.unwrap();
    ann.send(&group, "b").await.unwrap();
    eventually("queued", || {
        (!cluster.coordination.queue(&user("bob")).is_empty()).then_some(())
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;

    let bob = cluster.connect(1, "bob").await;
    assert_eq!(bob.cursor(&quiet), Some(0), "its creation waited too");
    bob.has(&group, 1, 3).await;
    let Reply::Conversations(page) = bob.call(Command::List(List::default())).await.unwrap() else {
        panic!()
    };
    let listed = page
        .conversations
        .iter()
        .find(|listed| listed.id == group)
        .unwrap();
    assert_eq!((listed.head, listed.unread), (3, 2));

    bob.call(Command::Delivered(Delivered {
        conversation: group.clone(),
        seq: 3,
    }))
    .await
    .unwrap();
    eventually("dequeued", || {
        cluster
            .coordination
            .queue(&user("bob"))
            .iter()
            .all(|(id, _)| *id != group)
            .then_some(())
    })
    .await;
    let error = bob
        .call(Command::Delivered(Delivered {
            conversation: group.clone(),
            seq: 4,
        }))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::CursorAhead);
    let Reply::Conversations(page) = bob.call(Command::List(List::default())).await.unwrap() else {
        panic!()
    };
    let listed = page
        .conversations
        .iter()
        .find(|listed| listed.id == group)
        .unwrap();
    assert_eq!((listed.delivered, listed.unread), (3, 2), "delivered is not read");
}

#[tokio::test(start_paused = true)]
async fn what_was_written_but_never_marked_is_noted_when_the_connection_ends() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    ann.send(&group, "a").await.unwrap();
    bob.has(&group, 2, 2).await;
    bob.call(Command::Delivered(Delivered {
        conversation: group.clone(),
        seq: 1,
    }))
    .await
    .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    bob.session.close().await;
    let again = cluster.connect(0, "bob").await;
    again.has(&group, 2, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_far_behind_is_not_let_go_for_what_it_resumes_with() {
    let cluster = Cluster::start(1).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    let behind = cluster.connect(0, "bob").await;
    for index in 0..200 {
        ann.command(crate::cluster::message(&group, &format!("{index}")))
            .await;
    }
    behind.has(&group, 2, 201).await;
    // The hub's ring holds far more than this outbox takes.
    let bob = Client::open_with(&cluster.nodes[0], "bob", 10_000).await.unwrap();
    bob.sync(BTreeMap::from([(group.clone(), 1)])).await.unwrap();
    bob.has(&group, 2, 201).await;
    assert_eq!(bob.closed(), None);
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_is_replaced_leaves_no_stream_half_started() {
    let cluster = Cluster::start(1).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let ann = cluster.connect(0, "ann").await;
    for index in 0..500 {
        ann.command(crate::cluster::message(&group, &format!("{index}")))
            .await;
    }
    ann.has(&group, 2, 501).await;
    let outbox = Outbox::new(40_000);
    let bob = Identity::of(user("bob"));
    let session = cluster.nodes[0].open_session(bob, outbox.clone()).await.unwrap();
    // It waits for its reader in the middle of the log.
    let cursors = BTreeMap::from([(group.clone(), 0)]);
    session.handle(1, Command::Sync(Sync { cursors })).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    session.handle(2, Command::Sync(Sync::default())).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let mut last = 0;
    ann.send(&group, "late").await.unwrap();
    let heard = async {
        while last < 502 {
            let Drained::Frames(frames) = outbox.drain().await else {
                panic!("closed");
            };
            for frame in frames {
                match frame.frame() {
                    ServerFrame::Event(Event::Conversation(state)) => last = state.cursor,
                    ServerFrame::Event(Event::Entry(entry)) => {
                        assert_eq!(entry.seq, last + 1);
                        last = entry.seq;
                    }
                    _ => {}
                }
            }
        }
    };
    let heard = tokio::time::timeout(std::time::Duration::from_secs(10), heard).await;
    assert!(heard.is_ok(), "the stream flows");
}
