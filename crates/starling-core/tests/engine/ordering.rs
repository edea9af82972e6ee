//! One order for everyone (I1, I2, I5, I6).

use starling_protocol::{Command, Create, ErrorCode, Kind, Reply, Send};

use crate::cluster::{Cluster, all, eventually, message, user};

#[tokio::test(start_paused = true)]
async fn members_on_different_nodes_see_one_order() {
    let cluster = Cluster::start(3).await;
    let group = cluster.group(&["ann", "bob", "eve"]).await;
    let clients = [
        cluster.connect(0, "ann").await,
        cluster.connect(1, "bob").await,
        cluster.connect(2, "eve").await,
    ];
    all(clients.iter().enumerate().map(async |(number, client)| {
        for index in 0..50 {
            client.send(&group, &format!("{number}-{index}")).await.unwrap();
        }
    }))
    .await;
    for client in &clients {
        client.has(&group, 2, 151).await;
    }
    assert_eq!(cluster.log(&group).len(), 151);
}

#[tokio::test(start_paused = true)]
async fn a_pipelining_connection_keeps_its_order() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let send = async |client: &crate::cluster::Client, name: &str| {
        for index in 0..300 {
            client
                .command(message(&group, &format!("{name}{index:03}")))
                .await;
        }
    };
    tokio::join!(send(&ann, "a"), send(&bob, "b"));
    ann.has(&group, 2, 601).await;
    let log = cluster.log(&group);
    for name in ["a", "b"] {
        let keys: Vec<_> = log
            .iter()
            .filter_map(|entry| entry.client_id.as_ref())
            .map(|id| id.as_str())
            .filter(|id| id.starts_with(name) && id.len() == 4)
            .collect();
        assert_eq!(keys.len(), 300);
        assert!(keys.is_sorted(), "I5: {keys:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_client_id_on_two_nodes_is_one_entry() {
    let cluster = Cluster::start(3).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let ann = [
        cluster.connect(0, "ann").await,
        cluster.connect(1, "ann").await,
        cluster.connect(2, "ann").await,
    ];
    for round in 0..20 {
        let key = format!("key{round}");
        let sent = all(ann.iter().map(|client| client.send(&group, &key))).await;
        let seqs: Vec<_> = sent.into_iter().map(|sent| sent.unwrap().seq).collect();
        assert!(seqs.iter().all(|seq| *seq == seqs[0]), "I2: {seqs:?}");
    }
    assert_eq!(cluster.log(&group).len(), 21);
}

#[tokio::test(start_paused = true)]
async fn a_direct_conversation_exists_once() {
    let cluster = Cluster::start(3).await;
    let open = async |node: usize, me: &str, other: &str| {
        let create = Create::of(Kind::Direct, vec![user(other)]);
        match cluster.nodes[node]
            .execute(&user(me), Command::Create(create))
            .await
            .unwrap()
        {
            Reply::Conversation(summary) => summary.id,
            other => panic!("{other:?}"),
        }
    };
    let (a, b, c) = tokio::join!(
        open(0, "ann", "bob"),
        open(1, "bob", "ann"),
        open(2, "ann", "bob")
    );
    assert!(a == b && b == c);
    assert_eq!(cluster.log(&a).len(), 1);
    assert_eq!(cluster.store.conversation_ids().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn lamport_stamps_follow_the_sender_within_bounds() {
    let cluster = Cluster::start(1).await;
    let group = cluster.group(&["ann"]).await;
    let ann = cluster.connect(0, "ann").await;
    let stamped = |key: &str, lamport| match message(&group, key) {
        Command::Send(send) => Command::Send(Send {
            lamport: Some(lamport),
            ..send
        }),
        _ => unreachable!(),
    };
    let reply = ann.call(stamped("a", 500)).await.unwrap();
    assert!(matches!(reply, Reply::Sent(sent) if sent.lamport == 501));
    let reply = ann.call(stamped("b", 3)).await.unwrap();
    assert!(matches!(reply, Reply::Sent(sent) if sent.lamport == 502));
    let error = ann.call(stamped("c", 502 + (1 << 20) + 1)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::LamportAhead);
    let error = ann.call(stamped("d", u64::MAX)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::LamportAhead);
    assert_eq!(cluster.log(&group).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_idle_actor_goes_and_comes_back() {
    let cluster = Cluster::start(1).await;
    let group = cluster.group(&["ann"]).await;
    let ann = cluster.connect(0, "ann").await;
    assert_eq!(ann.send(&group, "a").await.unwrap().seq, 2);
    tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    assert_eq!(ann.send(&group, "b").await.unwrap().seq, 3);
    eventually("applied", || {
        cluster.store.record(&group).filter(|record| record.applied == 3)
    })
    .await;
}
