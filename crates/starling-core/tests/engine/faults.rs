//! What the store and coordination do to a batch, and that it shows nowhere.

use std::collections::BTreeMap;
use std::time::Duration;

use starling_core::memory::InsertFault;
use starling_core::ports::EntryLog;
use starling_protocol::{Body, CloseCode, Entry, ErrorCode, Role};

use crate::cluster::{Client, Cluster, all, eventually, message, ms, user};

/// Three clients on three nodes send `count` messages each while `fault` runs; afterwards everyone holds the
/// log, every acknowledgement is true, and each key is stored once.
async fn survives(
    count: usize,
    fault: impl AsyncFnOnce(&Cluster, &starling_protocol::ConversationId),
) -> Cluster {
    let cluster = Cluster::start(3).await;
    let group = cluster.group(&["ann", "bob", "eve"]).await;
    let clients = [
        cluster.connect(0, "ann").await,
        cluster.connect(1, "bob").await,
        cluster.connect(2, "eve").await,
    ];
    let load = all(clients
        .iter()
        .enumerate()
        .map(async |(number, client): (usize, &Client)| {
            let mut acknowledged = Vec::new();
            for index in 0..count {
                let key = format!("{number}-{index}");
                acknowledged.push((key.clone(), client.send(&group, &key).await.unwrap().seq));
            }
            acknowledged
        }));
    let (acknowledged, ()) = tokio::join!(load, fault(&cluster, &group));
    let log = cluster.log(&group);
    for (key, seq) in acknowledged.into_iter().flatten() {
        let stored = &log[seq as usize - 1];
        assert_eq!(
            stored.client_id.as_ref().unwrap().as_str(),
            key,
            "I1 at seq {seq}"
        );
    }
    assert_eq!(log.len(), 3 * count + 1);
    for client in &clients {
        client.has(&group, 2, log.len() as u64).await;
    }
    eventually("all is applied", || {
        cluster
            .store
            .record(&group)
            .filter(|record| record.applied == log.len() as u64)
    })
    .await;
    cluster
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_unknown_insert() {
    for fault in [
        InsertFault::UnknownStored,
        InsertFault::UnknownLost,
        InsertFault::UnknownLate(ms(3)),
        InsertFault::UnknownLate(ms(40)),
        InsertFault::UnknownLate(ms(900)),
        InsertFault::UnknownPrefix(1),
        InsertFault::UnknownLatePrefix(1, ms(30)),
        InsertFault::Torn(1, ms(20)),
    ] {
        survives(40, async |cluster, _| {
            for _ in 0..8 {
                tokio::time::sleep(ms(23)).await;
                cluster.store.fail_inserts([fault, InsertFault::Pass, fault]);
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn coordination_flushed() {
    survives(60, async |cluster, _| {
        for _ in 0..10 {
            tokio::time::sleep(ms(37)).await;
            cluster.coordination.flush();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn counters_set_back_and_ahead() {
    survives(60, async |cluster, group| {
        for step in 0..20_u64 {
            tokio::time::sleep(ms(17)).await;
            cluster.coordination.set_marks(group, step * step % 50);
            cluster.coordination.set_counter(group, 1_000 - 40 * step);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn coordination_goes_back_in_time() {
    survives(60, async |cluster, _| {
        for _ in 0..10 {
            let old = cluster.coordination.snapshot();
            tokio::time::sleep(ms(41)).await;
            cluster.coordination.restore(&old);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn coordination_unreachable_for_five_seconds() {
    survives(60, async |cluster, _| {
        tokio::time::sleep(ms(60)).await;
        cluster.coordination.set_reachable(false);
        tokio::time::sleep(Duration::from_secs(5)).await;
        cluster.coordination.set_reachable(true);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn replies_of_coordination_lost() {
    survives(60, async |cluster, _| {
        for _ in 0..20 {
            tokio::time::sleep(ms(19)).await;
            cluster.coordination.lose_replies(2);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn leases_expire_in_the_middle() {
    survives(60, async |cluster, group| {
        for _ in 0..60 {
            tokio::time::sleep(ms(7)).await;
            cluster.coordination.expire_lease(group);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_store_unreachable_for_five_seconds() {
    survives(40, async |cluster, _| {
        tokio::time::sleep(ms(60)).await;
        cluster.store.set_reachable(false);
        tokio::time::sleep(Duration::from_secs(5)).await;
        cluster.store.set_reachable(true);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_in_time_is_unknown_and_ends_the_connection() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann"]).await;
    let ann = cluster.connect(0, "ann").await;
    ann.send(&group, "a").await.unwrap();
    cluster
        .store
        .fail_inserts([InsertFault::UnknownLate(Duration::from_secs(18))]);
    let first = ann.command(message(&group, "b")).await;
    tokio::time::sleep(ms(20)).await;
    let second = ann.command(message(&group, "c")).await;
    cluster.store.set_reachable(false);
    let error = eventually("an answer", || ann.reply(first)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unknown);
    eventually("the end", || ann.closed()).await;
    assert_eq!(ann.closed(), Some(CloseCode::OutcomeUnknown));
    assert!(
        ann.reply(second).is_none(),
        "what came behind it is not stored before it either"
    );

    // The client reconnects elsewhere and sends both again, oldest first, while the late insert lands.
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.store.set_reachable(true);
    let again = cluster.connect(1, "ann").await;
    let (b, c) = (
        again.send(&group, "b").await.unwrap(),
        again.send(&group, "c").await.unwrap(),
    );
    assert_eq!((b.seq, c.seq), (3, 4));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(cluster.log(&group).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_a_conversation_that_stays_quiet_is_made_good() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    tokio::time::sleep(Duration::from_secs(5)).await;
    // A node stored this and died before it applied or announced it.
    let head = cluster.log(&group).last().unwrap().clone();
    let orphan = Entry {
        seq: head.seq + 1,
        lamport: head.lamport + 1,
        membership: head.seq + 1,
        client_id: Some(starling_protocol::ClientId::new("orphan").unwrap()),
        body: Body::Joined {
            users: vec![user("bob")],
            role: Role::Member,
            invite: None,
        },
        ..(*head).clone()
    };
    cluster.store.insert(&[orphan.into()]).await.unwrap();
    bob.has(&group, 2, 2).await;
    ann.has(&group, 2, 2).await;
    assert!(
        cluster
            .store
            .member_records(&group)
            .iter()
            .any(|member| member.user == user("bob"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_lapsed_registers_anew() {
    let cluster = Cluster::start(2).await;
    let group = cluster.group(&["ann", "bob"]).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let before = cluster.ports[1].coordination.listening().unwrap();
    cluster.coordination.expire_liveness(&before);
    ann.send(&group, "a").await.unwrap();
    bob.has(&group, 2, 2).await;
    eventually("a new life", || {
        cluster.ports[1]
            .coordination
            .listening()
            .filter(|incarnation| *incarnation != before)
    })
    .await;
    ann.send(&group, "b").await.unwrap();
    bob.has(&group, 2, 3).await;
    let cursors = BTreeMap::from([(group.clone(), 1)]);
    let eve = cluster.open(0, "bob").await.unwrap();
    eve.sync(cursors).await.unwrap();
    eve.has(&group, 2, 3).await;
}
