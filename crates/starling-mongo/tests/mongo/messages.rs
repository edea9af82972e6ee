//! What becomes of messages: alterations commute, and nothing of what is deleted is left.

use std::sync::Arc;

use bson::{Document, doc};
use mongodb::Client;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use starling_core::ports::{Alteration, Directory, Effect, EntryLog};
use starling_mongo::Mongo;
use starling_protocol::{Body, Entry, MessageState, Seq};

use crate::sample::{client_id, conversation, keyed, user};
use crate::server::{empty_database, empty_settings, shared};

/// The last entry; each from 2 on edits the message at 1.
const LAST: Seq = 9;

fn alter(seq: Seq, by: &str, alteration: Alteration) -> Effect {
    Effect::AlterMessage {
        conversation: conversation("c"),
        target: 1,
        seq,
        by: user(by),
        at: i64::try_from(seq).unwrap() * 10,
        alteration,
    }
}

fn edit(seq: Seq) -> Effect {
    let text = format!("$text {seq}");
    alter(seq, "alice", Alteration::Edit { text })
}

fn react(seq: Seq, by: &str, emoji: &str, removed: bool) -> Effect {
    let emoji = emoji.into();
    alter(seq, by, Alteration::React { emoji, removed })
}

fn delete(seq: Seq, by: &str) -> Effect {
    alter(seq, by, Alteration::Delete)
}

async fn said(log: &Mongo) {
    let mut batch = vec![keyed("c", 1, "alice", "k1")];
    batch.extend((2..=LAST).map(|seq| {
        let text = format!("$text {seq}");
        let mut entry = Entry::clone(&keyed("c", seq, "alice", &format!("k{seq}")));
        entry.body = Body::Edited { target: 1, text };
        Arc::new(entry)
    }));
    log.insert(&batch).await.unwrap();
}

async fn state(log: &Mongo) -> MessageState {
    let found = log.at(&[(conversation("c"), 1)]).await.unwrap();
    found[0].state.clone().unwrap_or_default()
}

#[tokio::test]
async fn each_part_is_guarded_by_itself() {
    let log = empty_database().await;
    said(&log).await;
    let effects = [
        react(6, "bob", "$+1", true),
        edit(3),
        react(5, "bob", "$+1", false),
        edit(2),
        react(7, "carol", "$+1", false),
        react(4, "bob", "-1", false),
    ];
    log.apply(&effects).await.unwrap();
    let reactions = [("$+1", "carol"), ("-1", "bob")];
    let expected = MessageState {
        changed: 7,
        text: Some("$text 3".into()),
        edited_at: Some(30),
        reactions: reactions.map(|(emoji, by)| (emoji.into(), vec![user(by)])).into(),
        alterations: 5,
        ..MessageState::default()
    };
    assert_eq!(state(&log).await, expected);
    // However it is read.
    let id = conversation("c");
    for found in [
        log.read(&id, 0, LAST, 1).await.unwrap(),
        log.read_back(&id, 2, 1).await.unwrap(),
        log.find(&id, &[(user("alice"), client_id("k1"))]).await.unwrap(),
    ] {
        assert_eq!(found[0].state.as_ref(), Some(&expected));
    }
}

#[tokio::test]
async fn no_text_is_left_of_what_is_deleted_be_an_edit_applied_after_it() {
    for order in [
        vec![edit(2), edit(3), delete(4, "bob"), delete(5, "alice")],
        vec![delete(5, "alice"), edit(3), delete(4, "bob"), edit(2)],
    ] {
        let settings = empty_settings(shared().await);
        let client = Client::with_uri_str(&settings.uri).await.unwrap();
        let log = Mongo::connect(settings).await.unwrap();
        said(&log).await;
        for effect in &order {
            log.apply(std::slice::from_ref(effect)).await.unwrap();
        }
        let expected = MessageState {
            changed: 5,
            deleted_at: Some(40),
            deleted_by: Some(user("bob")),
            alterations: 2,
            ..MessageState::default()
        };
        assert_eq!(state(&log).await, expected);
        let entries = client
            .database(log.database_name())
            .collection::<Document>("entries");
        for seq in 1..=3 {
            let stored = entries.find_one(doc! { "seq": seq }).await.unwrap().unwrap();
            let text = stored.to_string();
            assert!(!text.contains("$text") && !text.contains("message 1"), "{text}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_made() {
    let log = empty_database().await;
    log.apply(&[edit(2), delete(3, "bob")]).await.unwrap();
    assert_eq!(log.head(&conversation("c")).await.unwrap(), None);
}

/// One alteration for each seq, as a log would hold them.
fn alteration(seq: Seq) -> impl Strategy<Value = Effect> {
    let (user, emoji) = (
        prop::sample::select(vec!["bob", "carol"]),
        prop::sample::select(vec!["a", "b"]),
    );
    prop_oneof![
        5 => Just(edit(seq)),
        1 => user.clone().prop_map(move |by| delete(seq, by)),
        6 => (user, emoji, any::<bool>()).prop_map(move |(by, emoji, removed)| react(seq, by, emoji, removed)),
    ]
}

#[test]
fn alterations_come_to_the_same_in_any_order() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let runner = || {
        TestRunner::new(ProptestConfig {
            cases: 24,
            failure_persistence: None,
            ..ProptestConfig::default()
        })
    };
    let effects: Vec<_> = (2..=LAST).map(alteration).collect();
    let shuffled = effects.prop_flat_map(|effects| (Just(effects.clone()), Just(effects).prop_shuffle()));
    let checked = runner().run(&shuffled, |(in_order, shuffled)| {
        runtime.block_on(async {
            let (first, second) = (empty_database().await, empty_database().await);
            said(&first).await;
            said(&second).await;
            first.apply(&in_order).await.unwrap();
            for effect in &shuffled {
                second.apply(std::slice::from_ref(effect)).await.unwrap();
            }
            second.apply(&shuffled[..3]).await.unwrap();
            let read = async |log: &Mongo| log.read(&conversation("c"), 0, LAST, 100).await.unwrap();
            prop_assert_eq!(read(&first).await, read(&second).await);
            Ok::<(), TestCaseError>(())
        })
    });
    checked.unwrap();
}
