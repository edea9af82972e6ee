//! What a fail-over keeps, what waits for a majority, and what becomes of the calls of a stopped or dead node.

use tokio::time::{Instant, sleep, timeout};

use super::super::{Latency, MemoryCoordination, MemoryStore, node};
use super::*;
use crate::ports::{Directory, EntryLog, InsertError};

fn lagging(lag: u64) -> MemoryStore {
    let store = MemoryStore::new();
    store.set_majority_lag(ms(lag), ms(lag), 1);
    store
}

fn insert(store: &MemoryStore, seq: Seq) -> tokio::task::JoinHandle<Result<(), InsertError>> {
    let store = store.clone();
    tokio::spawn(async move { store.insert(&[message("a", seq, &seq.to_string())]).await })
}

#[tokio::test(start_paused = true)]
async fn a_write_is_answered_and_read_once_a_majority_has_it() {
    let store = lagging(50);
    let began = Instant::now();
    let inserting = insert(&store, 1);
    sleep(ms(40)).await;
    assert_eq!(store.head(&conversation("a")).await.unwrap(), None);
    inserting.await.unwrap().unwrap();
    assert_eq!(began.elapsed(), ms(50));
    assert_eq!(store.head_seq(&conversation("a")), 1);
}

#[tokio::test(start_paused = true)]
async fn a_collision_with_what_is_not_committed_is_told_once_it_is() {
    let store = lagging(50);
    let first = insert(&store, 1);
    sleep(ms(10)).await;
    let began = Instant::now();
    assert_eq!(
        store.insert(&[message("a", 1, "another")]).await,
        Err(InsertError::Duplicate { index: 0 })
    );
    assert_eq!(began.elapsed(), ms(40));
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fail_over_rolls_back_what_no_majority_has() {
    for (kept, left) in [(0, 1), (1, 2), (9, 3)] {
        let store = lagging(50);
        insert(&store, 1).await.unwrap().unwrap();
        let (second, third) = (insert(&store, 2), insert(&store, 3));
        sleep(ms(10)).await;
        store.fail_over(kept, 0, ms(5));
        for outcome in [second, third] {
            assert!(matches!(outcome.await.unwrap(), Err(InsertError::Unknown(_))));
        }
        assert_eq!(store.head_seq(&conversation("a")), left);
        assert_eq!(store.counts().rolled_back, 3 - left as usize);
        // What was rolled back has left no keys behind.
        insert(&store, left + 1).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_primary_may_read_what_is_older_for_a_while() {
    let store = lagging(0);
    for seq in 1..=3 {
        insert(&store, seq).await.unwrap().unwrap();
    }
    store.fail_over(0, 2, ms(100));
    assert_eq!(store.head_seq(&conversation("a")), 1);
    assert_eq!(
        store.insert(&[message("a", 2, "another")]).await,
        Err(InsertError::Duplicate { index: 0 }),
        "its keys are those of all that it has"
    );
    assert_eq!(store.head_seq(&conversation("a")), 3);
}

#[tokio::test(start_paused = true)]
async fn no_fail_over_takes_back_what_a_majority_had() {
    let store = lagging(0);
    for seq in 1..=3 {
        insert(&store, seq).await.unwrap().unwrap();
    }
    store.fail_over(0, 2, ms(100));
    store.fail_over(0, 3, ms(100));
    assert_eq!(store.head_seq(&conversation("a")), 0);
    sleep(ms(100)).await;
    assert_eq!(store.head_seq(&conversation("a")), 3);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_finds_no_majority_is_unknown_and_committed_later() {
    let store = lagging(1);
    store.stall_majority(ms(3_000));
    assert!(matches!(
        insert(&store, 1).await.unwrap(),
        Err(InsertError::Unknown(_))
    ));
    assert_eq!(store.head_seq(&conversation("a")), 0);
    sleep(ms(1_100)).await;
    assert_eq!(store.head_seq(&conversation("a")), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_nodes_calls_take_effect_and_their_answers_wait() {
    let (store, coordination) = (MemoryStore::new(), MemoryCoordination::new());
    let stopped = node(&store, &coordination);
    stopped.store.set_latency(Latency::Fixed(ms(10)));
    let inserting = insert(&stopped.store, 1);
    sleep(ms(1)).await;
    stopped.stop();
    let later = insert(&stopped.store, 2);
    sleep(ms(100)).await;
    assert_eq!(store.head_seq(&conversation("a")), 1);
    assert!(!inserting.is_finished());
    stopped.resume();
    inserting.await.unwrap().unwrap();
    later.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dead_nodes_calls_land_late_in_part_or_never_and_do_not_return() {
    let mut landed = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let (store, coordination) = (MemoryStore::new(), MemoryCoordination::new());
        let dead = node(&store, &coordination);
        let (min, max) = (ms(10), ms(10));
        dead.store.set_latency(Latency::Jitter { min, max, seed });
        let batch: Vec<_> = (1..=2).map(|seq| message("a", seq, &seq.to_string())).collect();
        let victim = dead.store.clone();
        let inserting = tokio::spawn(async move { victim.insert(&batch).await });
        tokio::task::yield_now().await;
        dead.kill();
        assert!(timeout(ms(60_000), inserting).await.is_err());
        assert!(timeout(ms(60_000), dead.store.ping()).await.is_err());
        assert_eq!(store.counts().late, store.counts().entries);
        landed.insert(store.head_seq(&conversation("a")));
    }
    assert_eq!(landed, [0, 1, 2].into());
}
