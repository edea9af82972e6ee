//! The faults that tests can set, and whom they hit.

use tokio::time::{Instant, sleep, timeout};

use super::super::{InsertFault, Latency, MemoryStore, node};
use super::*;
use crate::ports::{Directory, Effect, EntryLog, InsertError, LeaseToken, Leases, Reservation};

fn batch() -> Vec<Arc<Entry>> {
    (1..=3).map(|seq| message("a", seq, &seq.to_string())).collect()
}

fn head(store: &MemoryStore) -> Seq {
    store.head_seq(&conversation("a"))
}

#[tokio::test(start_paused = true)]
async fn inserts_with_an_unknown_outcome() {
    for (fault, at_once, later) in [
        (InsertFault::UnknownStored, 3, 3),
        (InsertFault::UnknownLost, 0, 0),
        (InsertFault::UnknownPrefix(2), 2, 2),
        (InsertFault::UnknownPrefix(9), 3, 3),
        (InsertFault::UnknownLate(ms(50)), 0, 3),
        (InsertFault::UnknownLatePrefix(1, ms(50)), 0, 1),
    ] {
        let store = MemoryStore::new();
        store.fail_inserts([fault]);
        assert!(
            matches!(store.insert(&batch()).await, Err(InsertError::Unknown(_))),
            "{fault:?}"
        );
        assert_eq!(head(&store), at_once, "{fault:?}");
        sleep(ms(60)).await;
        assert_eq!(head(&store), later, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_insert_lands_as_far_as_the_keys_allow() {
    let store = MemoryStore::new();
    store.fail_inserts([InsertFault::UnknownLate(ms(50))]);
    store.insert(&batch()).await.unwrap_err();
    store.insert(&[message("a", 2, "another")]).await.unwrap();
    sleep(ms(60)).await;
    let texts: Vec<_> = store
        .entries(&conversation("a"))
        .iter()
        .map(|e| e.client_id.clone().unwrap())
        .collect();
    assert_eq!(texts, [client_id("1"), client_id("another")]);
}

#[tokio::test(start_paused = true)]
async fn a_torn_insert_can_be_overtaken_in_the_middle() {
    let store = MemoryStore::new();
    store.fail_inserts([InsertFault::Torn(2, ms(50))]);
    let (torn, batch) = (store.clone(), batch());
    let torn = tokio::spawn(async move { torn.insert(&batch).await });
    sleep(ms(1)).await;
    assert_eq!(head(&store), 2);
    store.insert(&[message("a", 3, "another")]).await.unwrap();
    assert_eq!(torn.await.unwrap(), Err(InsertError::Duplicate { index: 2 }));
}

#[tokio::test(start_paused = true)]
async fn faults_come_in_order_and_a_nodes_own_before_everyones() {
    let all = MemoryStore::new();
    let one = all.node();
    all.fail_inserts([InsertFault::UnknownStored]);
    one.fail_inserts([InsertFault::Pass, InsertFault::UnknownLost]);
    one.insert(&[message("a", 1, "1")]).await.unwrap();
    one.insert(&[message("a", 2, "2")]).await.unwrap_err();
    assert_eq!(head(&all), 1);
    one.insert(&[message("a", 2, "2")]).await.unwrap_err();
    assert_eq!(head(&all), 2);
    one.insert(&[message("a", 3, "3")]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_store_fails_for_those_whom_it_concerns() {
    let all = MemoryStore::new();
    let (one, other) = (all.node(), all.node());
    one.set_reachable(false);
    assert!(matches!(one.insert(&batch()).await, Err(InsertError::Unknown(_))));
    one.head(&conversation("a")).await.unwrap_err();
    one.apply(&[]).await.unwrap_err();
    Directory::ping(&one).await.unwrap_err();
    assert_eq!(head(&all), 0);
    other.insert(&batch()).await.unwrap();

    one.set_reachable(true);
    one.head(&conversation("a")).await.unwrap();
    all.set_reachable(false);
    one.head(&conversation("a")).await.unwrap_err();
    other.head(&conversation("a")).await.unwrap_err();
    assert_eq!(head(&all), 3, "inspection is not subject to faults");
}

#[tokio::test(start_paused = true)]
async fn so_many_reads_fail() {
    let store = MemoryStore::new();
    store.fail_reads(2);
    store.head(&conversation("a")).await.unwrap_err();
    store.insert(&batch()).await.unwrap();
    store.members(&conversation("a")).await.unwrap_err();
    store.head(&conversation("a")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_apply_can_be_cut_off() {
    let store = MemoryStore::new();
    store.cut_apply(1);
    let end = |seq| Effect::EndMember {
        conversation: conversation("a"),
        user: user("bob"),
        seq,
    };
    store.apply(&[end(1), end(2)]).await.unwrap_err();
    assert_eq!(store.member_records(&conversation("a"))[0].changed, 1);
    store.apply(&[end(1), end(2)]).await.unwrap();
    assert_eq!(store.member_records(&conversation("a"))[0].changed, 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_leaves_the_effect() {
    let (store, coordination) = (MemoryStore::new(), MemoryCoordination::new());
    let one = node(&store, &coordination);
    one.store.lose_replies(1);
    one.ports.log.insert(&batch()).await.unwrap_err();
    assert_eq!(head(&store), 3);

    let token = LeaseToken {
        incarnation: Incarnation::fresh(),
        claim: 1,
    };
    one.coordination.lose_replies(1);
    one.ports
        .leases
        .reserve(&conversation("a"), &token, 2)
        .await
        .unwrap_err();
    assert_eq!(coordination.marks(&conversation("a")).0, Some(2));
    assert_eq!(coordination.lock_holder(&conversation("a")), Some(token));
}

#[tokio::test(start_paused = true)]
async fn calls_take_their_time_and_take_effect_in_between() {
    let store = MemoryStore::new();
    let start = Instant::now();
    store.set_latency(Latency::Fixed(ms(10)));
    store.insert(&batch()[..1]).await.unwrap();
    assert_eq!(start.elapsed(), ms(10));

    timeout(ms(4), store.insert(&batch()[1..2])).await.unwrap_err();
    assert_eq!(head(&store), 1, "given up before it took effect");
    timeout(ms(8), store.insert(&batch()[1..2])).await.unwrap_err();
    assert_eq!(head(&store), 2, "given up after it took effect");
}

#[tokio::test(start_paused = true)]
async fn jitter_is_within_bounds_and_the_same_for_the_same_seed() {
    let mut series = Vec::new();
    for _ in 0..2 {
        let node = MemoryCoordination::new().node();
        node.set_latency(Latency::Jitter {
            min: ms(3),
            max: ms(9),
            seed: 42,
        });
        let mut took = Vec::new();
        for _ in 0..20 {
            let start = Instant::now();
            Bus::ping(&node).await.unwrap();
            took.push(start.elapsed());
        }
        // Sleeps are to the millisecond, one before the effect and one after it.
        assert!(
            took.iter().all(|took| (ms(3)..=ms(11)).contains(took)),
            "{took:?}"
        );
        series.push(took);
    }
    assert_eq!(series[0], series[1]);
    assert!(series[0].iter().any(|took| *took != series[0][0]));
}

#[tokio::test(start_paused = true)]
async fn a_node_cut_off_from_coordination_is_deaf_and_told_afterwards() {
    let coordination = MemoryCoordination::new();
    let a = listening(&coordination, 8).await;
    let mut b = listening(&coordination, 8).await;
    let to_b = [b.incarnation.clone()];
    b.node.set_reachable(false);
    Bus::ping(&b.node).await.unwrap_err();
    a.node.publish(&to_b, "lost".into()).await.unwrap();
    b.node.set_reachable(true);
    a.node.publish(&to_b, "heard".into()).await.unwrap();
    assert_eq!(b.heard().await, ["missed: reconnected", "heard"]);

    coordination.set_reachable(false);
    a.node.publish(&to_b, "refused".into()).await.unwrap_err();
    coordination.set_reachable(true);
    assert_eq!(b.heard().await, ["missed: reconnected"]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_subscription_is_told_and_a_dropped_payload_is_not() {
    let coordination = MemoryCoordination::new();
    let a = listening(&coordination, 8).await;
    let mut b = listening(&coordination, 8).await;
    let to_b = [b.incarnation.clone()];
    let publish = async |payload: &'static str| a.node.publish(&to_b, payload.into()).await.unwrap();

    b.node.cut_pubsub();
    publish("lost").await;
    Bus::ping(&b.node).await.unwrap();
    b.node.mend_pubsub();
    assert_eq!(b.heard().await, ["missed: resubscribed"]);
    coordination.kill_pubsub();
    assert_eq!(b.heard().await, ["missed: resubscribed"]);

    coordination.drop_messages(1);
    b.node.drop_messages(1);
    for payload in ["lost", "lost", "heard"] {
        publish(payload).await;
    }
    assert_eq!(b.heard().await, ["heard"]);
}

#[tokio::test(start_paused = true)]
async fn a_flush_loses_every_key_and_tells_nobody() {
    let coordination = MemoryCoordination::new();
    let (mut a, c) = (listening(&coordination, 8).await, conversation("c"));
    let token = LeaseToken {
        incarnation: a.incarnation.clone(),
        claim: 1,
    };
    a.node
        .join_routes(std::slice::from_ref(&c), &a.incarnation)
        .await
        .unwrap();
    a.node.reserve(&c, &token, 1).await.unwrap();
    coordination.flush();
    assert_eq!(coordination.lock_holder(&c), None);
    assert_eq!(coordination.marks(&c), (None, None));
    assert!(coordination.route(&c).is_empty());
    assert!(!a.node.keep_alive(&a.incarnation).await.unwrap());
    a.node
        .publish(&[a.incarnation.clone()], "still subscribed".into())
        .await
        .unwrap();
    assert_eq!(a.heard().await, ["still subscribed"]);
}

#[tokio::test(start_paused = true)]
async fn a_stale_failover_sets_keys_back_and_tells() {
    let coordination = MemoryCoordination::new();
    let (mut a, c) = (listening(&coordination, 8).await, conversation("c"));
    let token = LeaseToken {
        incarnation: a.incarnation.clone(),
        claim: 1,
    };
    coordination.set_marks(&c, 4);
    a.node.reserve(&c, &token, 1).await.unwrap();
    let replica = coordination.snapshot();
    a.node.reserve(&c, &token, 5).await.unwrap();
    coordination.restore(&replica);
    assert_eq!(coordination.marks(&c), (Some(5), Some(4)));
    assert_eq!(coordination.lock_holder(&c), Some(token.clone()));
    assert_eq!(a.heard().await, ["missed: failover"]);

    coordination.set_counter(&c, 99);
    let ahead = Reservation::Granted {
        counter: Some(99),
        head: Some(4),
    };
    assert_eq!(a.node.reserve(&c, &token, 1).await.unwrap(), ahead);

    tokio::time::advance(a.node.ttl()).await;
    coordination.restore(&replica);
    assert_eq!(
        coordination.lock_holder(&c),
        None,
        "what expired since does not come back"
    );
}

#[tokio::test(start_paused = true)]
async fn one_switch_cuts_a_node_off_from_everything() {
    let (store, coordination) = (MemoryStore::new(), MemoryCoordination::new());
    let (one, other) = (
        node(&store, &coordination),
        super::super::ports(&store, &coordination),
    );
    one.set_reachable(false);
    one.ports.directory.ping().await.unwrap_err();
    one.ports.bus.ping().await.unwrap_err();
    other.directory.ping().await.unwrap();
    other.bus.ping().await.unwrap();
    one.set_reachable(true);
    one.ports.directory.ping().await.unwrap();
    one.ports.bus.ping().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_seemed_to_fail_is_carried_out_later() {
    let store = MemoryStore::new();
    store.delay_apply(ms(50));
    let effect = Effect::SetMember {
        conversation: conversation("a"),
        user: user("alice"),
        role: starling_protocol::Role::Member,
        seq: 1,
    };
    assert!(store.apply(&[effect]).await.is_err());
    assert_eq!(store.member_records(&conversation("a")), []);
    sleep(ms(60)).await;
    assert_eq!(store.member_records(&conversation("a")).len(), 1);
}
