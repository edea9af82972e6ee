//! What becomes of messages: alterations commute, and nothing of what is deleted is left.

use starling_protocol::MessageState;

use super::super::MemoryStore;
use super::*;
use crate::ports::{Alteration, Directory, Effect, EntryLog};

fn alter(target: Seq, seq: Seq, by: &str, alteration: Alteration) -> Effect {
    Effect::AlterMessage {
        conversation: conversation("a"),
        target,
        seq,
        by: user(by),
        at: i64::try_from(seq).unwrap() * 10,
        alteration,
    }
}

fn edit(seq: Seq, text: &str) -> Effect {
    alter(1, seq, "alice", Alteration::Edit { text: text.into() })
}

fn react(seq: Seq, by: &str, emoji: &str, removed: bool) -> Effect {
    let emoji = emoji.into();
    alter(1, seq, by, Alteration::React { emoji, removed })
}

/// A message at 1, and entries that edit it from 2 on.
async fn edited(last: Seq) -> MemoryStore {
    let store = MemoryStore::new();
    let mut batch = vec![message("a", 1, "k1")];
    batch.extend((2..=last).map(|seq| {
        let mut entry = Entry::clone(&message("a", seq, &format!("k{seq}")));
        let text = format!("text {seq}");
        entry.body = Body::Edited { target: 1, text };
        Arc::new(entry)
    }));
    store.insert(&batch).await.unwrap();
    store
}

async fn state(store: &MemoryStore) -> MessageState {
    let found = store.at(&[(conversation("a"), 1)]).await.unwrap();
    found[0].state.clone().unwrap()
}

#[tokio::test(start_paused = true)]
async fn alterations_come_to_the_same_in_any_order() {
    let effects = [
        edit(2, "text 2"),
        edit(3, "text 3"),
        react(4, "bob", "+1", false),
        react(5, "bob", "+1", true),
        react(6, "carol", "+1", false),
        react(7, "bob", "-1", false),
    ];
    let mut seen = Vec::new();
    for turn in 0..effects.len() {
        for reversed in [false, true] {
            let store = edited(3).await;
            let mut order = effects.clone();
            order.rotate_left(turn);
            if reversed {
                order.reverse();
            }
            for effect in &order {
                store.apply(std::slice::from_ref(effect)).await.unwrap();
            }
            store.apply(&order).await.unwrap();
            seen.push(state(&store).await);
        }
    }
    let reactions = [("+1", "carol"), ("-1", "bob")];
    let expected = MessageState {
        changed: 7,
        text: Some("text 3".into()),
        edited_at: Some(30),
        reactions: reactions.map(|(emoji, by)| (emoji.into(), vec![user(by)])).into(),
        alterations: 5,
        ..MessageState::default()
    };
    assert!(seen.iter().all(|state| *state == expected), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn no_text_is_left_of_what_is_deleted_be_an_edit_applied_after_it() {
    let deletions = [
        alter(1, 4, "alice", Alteration::Delete),
        alter(1, 5, "bob", Alteration::Delete),
    ];
    let [first, second] = deletions;
    for order in [
        [
            edit(2, "text 2"),
            edit(3, "text 3"),
            first.clone(),
            second.clone(),
        ],
        [
            first.clone(),
            second.clone(),
            edit(3, "text 3"),
            edit(2, "text 2"),
        ],
        [edit(3, "text 3"), second, edit(2, "text 2"), first],
    ] {
        let store = edited(3).await;
        for effect in &order {
            store.apply(std::slice::from_ref(effect)).await.unwrap();
        }
        let expected = MessageState {
            changed: 5,
            deleted_at: Some(40),
            deleted_by: Some(user("alice")),
            alterations: 2,
            ..MessageState::default()
        };
        assert_eq!(state(&store).await, expected);
        let log = format!("{:?}", store.entries(&conversation("a")));
        assert!(!log.contains("text 2") && !log.contains("text 3"), "{log}");
        assert!(!log.contains("text: \"k1\""), "{log}");
    }
}
