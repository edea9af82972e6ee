//! The log's contract.

use super::super::MemoryStore;
use super::*;
use crate::ports::{EntryLog, InsertError};

#[tokio::test(start_paused = true)]
async fn a_batch_is_stored_in_order_across_conversations() {
    let store = MemoryStore::new();
    store.insert(&[]).await.unwrap();
    store
        .insert(&[message("a", 1, "1"), message("b", 1, "1"), message("a", 2, "2")])
        .await
        .unwrap();
    assert_eq!(seqs(&store.entries(&conversation("a"))), [1, 2]);
    assert_eq!(seqs(&store.entries(&conversation("b"))), [1]);
    assert_eq!(store.conversation_ids(), [conversation("a"), conversation("b")]);
    assert_eq!((store.counts().inserts, store.counts().entries), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn either_unique_key_stops_the_batch_at_its_index() {
    for (name, colliding) in [
        ("the place is taken", message("a", 1, "other")),
        ("the client id is taken", message("a", 3, "1")),
        ("both are taken", message("a", 1, "1")),
        ("the place is taken, by the system", void("a", 1)),
        ("taken within the batch", message("a", 3, "2")),
    ] {
        let store = MemoryStore::new();
        store.insert(&[message("a", 1, "1")]).await.unwrap();
        let batch = [message("a", 2, "2"), colliding, message("a", 4, "4")];
        assert_eq!(
            store.insert(&batch).await,
            Err(InsertError::Duplicate { index: 1 }),
            "{name}"
        );
        assert_eq!(seqs(&store.entries(&conversation("a"))), [1, 2], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn entries_of_the_system_have_no_idempotency_key() {
    let store = MemoryStore::new();
    store.insert(&[void("a", 1), void("a", 2)]).await.unwrap();
    assert_eq!(store.head_seq(&conversation("a")), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_id_is_one_senders_in_one_conversation() {
    let store = MemoryStore::new();
    let mut of_bob = Entry::clone(&message("a", 2, "1"));
    of_bob.sender = Some(user("bob"));
    store
        .insert(&[message("a", 1, "1"), message("b", 1, "1"), Arc::new(of_bob)])
        .await
        .unwrap();

    let keys = [
        (user("alice"), client_id("1")),
        (user("bob"), client_id("1")),
        (user("bob"), client_id("2")),
    ];
    assert_eq!(
        seqs(&store.find(&conversation("a"), &keys).await.unwrap()),
        [1, 2]
    );
    assert_eq!(seqs(&store.find(&conversation("b"), &keys).await.unwrap()), [1]);
    assert!(store.find(&conversation("c"), &keys).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn pages_are_ascending_and_cut_at_the_right_end() {
    let store = MemoryStore::new();
    let batch: Vec<_> = (1..=5).map(|seq| message("a", seq, &seq.to_string())).collect();
    store.insert(&batch).await.unwrap();
    let a = conversation("a");

    for (after, to, limit, expected) in [
        (0, 5, 10, vec![1, 2, 3, 4, 5]),
        (1, 4, 10, vec![2, 3, 4]),
        (1, 4, 2, vec![2, 3]),
        (5, 9, 10, vec![]),
        (3, 3, 10, vec![]),
        (4, 2, 10, vec![]),
        (0, u64::MAX, 1, vec![1]),
        (u64::MAX, u64::MAX, 1, vec![]),
    ] {
        let read = store.read(&a, after, to, limit).await.unwrap();
        let read: Vec<_> = read.iter().map(|entry| entry.seq).collect();
        assert_eq!(read, expected, "after {after} to {to}, at most {limit}");
    }
    for (before, limit, expected) in [
        (6, 10, vec![1, 2, 3, 4, 5]),
        (5, 2, vec![3, 4]),
        (u64::MAX, 1, vec![5]),
        (1, 5, vec![]),
        (0, 5, vec![]),
    ] {
        let read = store.read_back(&a, before, limit).await.unwrap();
        let read: Vec<_> = read.iter().map(|entry| entry.seq).collect();
        assert_eq!(read, expected, "before {before}, at most {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn heads_and_places_leave_out_what_is_not_there() {
    let store = MemoryStore::new();
    store
        .insert(&[message("a", 1, "1"), message("a", 2, "2"), message("b", 1, "1")])
        .await
        .unwrap();
    let ids = ["a", "b", "none"].map(conversation);

    assert_eq!(store.head(&ids[0]).await.unwrap().unwrap().seq, 2);
    assert_eq!(store.head(&ids[2]).await.unwrap(), None);
    assert_eq!(seqs(&store.heads(&ids).await.unwrap()), [1, 2]);
    let places = [
        (ids[0].clone(), 1),
        (ids[1].clone(), 2),
        (ids[2].clone(), 1),
        (ids[0].clone(), 2),
    ];
    assert_eq!(seqs(&store.at(&places).await.unwrap()), [1, 2]);
}
