//! What may happen to a cluster under load without anyone losing, doubling or missing anything.

use std::time::Duration;

use starling_cluster::Env;
use starling_protocol::{ClientId, Send};
use tokio::time::sleep;

use crate::load::Load;
use crate::stage::{Stage, eventually, user};

const RATE: u32 = 500;
const TIME: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_node_is_killed() {
    let stage = Stage::start("kill-node").await;
    let load = Load::prepare(&stage, 30).await;
    load.run(&stage, RATE, TIME, async {
        sleep(TIME / 3).await;
        stage.node(1).kill9().await.unwrap();
        sleep(TIME / 3).await;
        stage.node(1).start().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn redis_is_flushed() {
    let stage = Stage::start("flush").await;
    let load = Load::prepare(&stage, 30).await;
    load.run(&stage, RATE, TIME, async {
        for _ in 0..2 {
            sleep(TIME / 3).await;
            stage.redis().flush_all().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn mongod_stops_for_five_seconds() {
    let stage = Stage::start("stop-mongod").await;
    let load = Load::prepare(&stage, 30).await;
    load.run(&stage, RATE, TIME, async {
        sleep(TIME / 4).await;
        stage.mongo().member(0).pause().unwrap();
        sleep(Duration::from_secs(5)).await;
        stage.mongo().member(0).resume().unwrap();
    })
    .await;
}

#[tokio::test]
async fn redis_is_killed_and_starts_empty() {
    let stage = Stage::start("kill-redis").await;
    let load = Load::prepare(&stage, 30).await;
    load.run(&stage, RATE, TIME, async {
        sleep(TIME / 3).await;
        stage.redis().kill9().await.unwrap();
        sleep(Duration::from_secs(2)).await;
        stage.redis().start().await.unwrap();
    })
    .await;
}

/// A node stops as if by SIGSTOP right after it reserved, stays so for more than three leases while others go
/// on, and then inserts what it had built.
#[tokio::test]
async fn a_node_stalls_after_it_reserved_until_its_lease_is_long_gone() {
    let stage = Stage::start("stall").await;
    let ann = stage.client_at(0, "ann").await;
    let bob = stage.client_at(1, "bob").await;
    let id = ann.create_group(vec![user("bob")]).await.unwrap().id;
    let send = |key: String| Send::text(id.clone(), ClientId::new(key).unwrap(), "text");
    // Node 3 joins with the fail point armed: the first batch that it reserves for stops it.
    stage.node(2).terminate(Duration::from_secs(30)).await.unwrap();
    let armed = Env::from([("FAILPOINTS".into(), "after_reserve=1*return(stop)".into())]);
    stage.node(2).start_with_env(&armed).await.unwrap();
    let eve = stage.client_at(2, "bob").await;
    let mut stalled = Vec::new();
    for number in 0..10 {
        stalled.push(eve.enqueue(send(format!("stalled{number}"))).await.unwrap());
    }
    for number in 0..40 {
        let sender = if number % 2 == 0 { &ann } else { &bob };
        sender.send_with(send(format!("other{number}"))).await.unwrap();
        sleep(Duration::from_millis(250)).await;
    }
    let pid = stage.node(2).pid().unwrap();
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert!(
        state.contains(") T "),
        "the fail point has stopped the node: {state}"
    );
    stage.node(2).resume().unwrap();
    for outcome in stalled {
        outcome.await.unwrap();
    }
    let stored = stage.stored(&id).await;
    let keys: Vec<_> = stored
        .iter()
        .map(|entry| entry.get_str("client_id").unwrap().to_owned())
        .collect();
    let of = |name: &str| {
        keys.iter()
            .filter(|key| key.starts_with(name))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("stalled"),
        (0..10)
            .map(|number| format!("stalled{number}"))
            .collect::<Vec<_>>()
    );
    assert_eq!(
        of("other"),
        (0..40).map(|number| format!("other{number}")).collect::<Vec<_>>()
    );
    assert_eq!(stored.len(), 51);
    assert!(
        stored
            .iter()
            .enumerate()
            .all(|(index, entry)| entry.get_i64("seq").unwrap() == index as i64 + 1)
    );
    eventually("everyone has it all", Duration::from_secs(20), async || {
        let has = |client: &starling_client::Client| client.cursors().get(&id).is_some_and(|seq| *seq == 51);
        for client in [&ann, &bob, &eve] {
            // An entry counts when it is taken.
            while tokio::time::timeout(Duration::from_millis(20), client.next_event())
                .await
                .is_ok()
            {}
        }
        [&ann, &bob, &eve].into_iter().all(has).then_some(())
    })
    .await;
}
