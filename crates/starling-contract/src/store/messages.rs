//! What becomes of messages: alterations commute, and nothing of what is deleted is left.

use std::sync::Arc;

use proptest::prelude::*;
use starling_core::ports::{Alteration, Effect};
use starling_protocol::{Body, Entry, MessageState, Seq};

use crate::sample::{client_id, conversation, keyed, user};
use crate::{StorePorts, samples};

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

/// The same effect in another conversation.
fn elsewhere(effect: &Effect, id: &str) -> Effect {
    let mut effect = effect.clone();
    if let Effect::AlterMessage { conversation: at, .. } = &mut effect {
        *at = conversation(id);
    }
    effect
}

async fn said(log: &dyn StorePorts, id: &str) {
    let mut batch = vec![keyed(id, 1, "alice", "k1")];
    batch.extend((2..=LAST).map(|seq| {
        let text = format!("$text {seq}");
        let mut entry = Entry::clone(&keyed(id, seq, "alice", &format!("k{seq}")));
        entry.body = Body::Edited { target: 1, text };
        Arc::new(entry)
    }));
    log.insert(&batch).await.unwrap();
}

async fn state(log: &dyn StorePorts, id: &str) -> MessageState {
    let found = log.at(&[(conversation(id), 1)]).await.unwrap();
    found[0].state.clone().unwrap_or_default()
}

pub async fn each_part_is_guarded_by_itself(log: &dyn StorePorts) {
    said(log, "c").await;
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
    assert_eq!(state(log, "c").await, expected);
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

pub async fn no_text_is_left_of_what_is_deleted_be_an_edit_applied_after_it(log: &dyn StorePorts) {
    for (case, order) in [
        vec![edit(2), edit(3), delete(4, "bob"), delete(5, "alice")],
        vec![delete(5, "alice"), edit(3), delete(4, "bob"), edit(2)],
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("c{case}");
        said(log, &id).await;
        for effect in &order {
            log.apply(&[elsewhere(effect, &id)]).await.unwrap();
        }
        let expected = MessageState {
            changed: 5,
            deleted_at: Some(40),
            deleted_by: Some(user("bob")),
            alterations: 2,
            ..MessageState::default()
        };
        assert_eq!(state(log, &id).await, expected);
        for entry in log.read(&conversation(&id), 0, 3, 9).await.unwrap() {
            let text = format!("{entry:?}");
            assert!(!text.contains("$text") && !text.contains("message 1"), "{text}");
        }
    }
}

pub async fn what_is_not_there_is_not_made(log: &dyn StorePorts) {
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

pub async fn alterations_come_to_the_same_in_any_order(log: &dyn StorePorts) {
    let effects: Vec<_> = (2..=LAST).map(alteration).collect();
    let shuffled = effects.prop_flat_map(|effects| (Just(effects.clone()), Just(effects).prop_shuffle()));
    for (case, (in_order, shuffled)) in samples(24, &shuffled).into_iter().enumerate() {
        let (first, second) = (format!("a{case}"), format!("b{case}"));
        said(log, &first).await;
        said(log, &second).await;
        let to = |id: &str, effects: &[Effect]| {
            effects
                .iter()
                .map(|effect| elsewhere(effect, id))
                .collect::<Vec<_>>()
        };
        log.apply(&to(&first, &in_order)).await.unwrap();
        for effect in &shuffled {
            log.apply(&[elsewhere(effect, &second)]).await.unwrap();
        }
        log.apply(&to(&second, &shuffled[..3])).await.unwrap();
        let read = async |id: &str| {
            let read = log.read(&conversation(id), 0, LAST, 100).await.unwrap();
            let said = read
                .iter()
                .map(|entry| (entry.seq, entry.body.clone(), entry.state.clone()));
            said.collect::<Vec<_>>()
        };
        assert_eq!(read(&first).await, read(&second).await, "{shuffled:?}");
    }
}
