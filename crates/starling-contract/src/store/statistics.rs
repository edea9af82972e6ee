//! Numbers are those of what is stored.

use std::sync::Arc;

use starling_core::ports::{DAY_MS, Effect, Tally, Totals};
use starling_protocol::{Body, Content, Entry};

use crate::StorePorts;
use crate::sample::{client_id, conversation, record, system, user};

const DAY: i64 = 1_700_000_000_000 / DAY_MS * DAY_MS;

pub async fn what_is_stored_is_counted(store: &dyn StorePorts) {
    assert_eq!(store.totals().await.unwrap(), Totals::default());
    assert_eq!(store.tally_newest(10).await.unwrap(), Tally::default());

    for id in ["a", "b", "gone"] {
        let effects = [Effect::CreateConversation(record(id))];
        store.apply(&effects).await.unwrap();
    }
    for name in ["alice", "bob", "carol"] {
        store.saw_user(&user(name), None).await.unwrap();
    }
    let said = |id: &str, seq: u64, sender: &str, day: i64, messages: u64, body: Body| {
        Arc::new(Entry {
            sender: Some(user(sender)),
            client_id: Some(client_id(&format!("{seq}"))),
            at: DAY + day * DAY_MS + 5,
            messages,
            ..system(id, seq, body)
        })
    };
    let message = || Body::Message(Content::text("Hi"));
    let reaction = Body::Reacted {
        target: 1,
        emoji: "+1".into(),
        removed: false,
    };
    let entries = [
        said("a", 1, "alice", 0, 1, message()),
        said("a", 2, "bob", 1, 2, message()),
        said("a", 3, "bob", 1, 2, reaction.clone()),
        said("b", 1, "alice", 1, 1, message()),
        said("b", 2, "alice", 2, 2, message()),
        said("b", 3, "carol", 2, 2, reaction),
        said("gone", 1, "alice", 2, 1, message()),
        said("gone", 2, "alice", 2, 1, Body::Dissolved {}),
    ];
    store.insert(&entries).await.unwrap();
    let dissolved = Effect::Dissolve {
        conversation: conversation("gone"),
        seq: 2,
        by: user("alice"),
        at: DAY,
    };
    store.apply(&[dissolved]).await.unwrap();

    let expected = Totals {
        conversations: 2,
        messages: 5,
        users: 3,
    };
    assert_eq!(store.totals().await.unwrap(), expected);
    let all = Tally {
        senders: 2,
        days: vec![(DAY + 2 * DAY_MS, 2), (DAY + DAY_MS, 2), (DAY, 1)],
    };
    assert_eq!(store.tally_newest(100).await.unwrap(), all);

    let ids = ["a", "b", "none"].map(conversation);
    let sent = async |name: &str, entries: usize| {
        let sent = store.sent_by(&user(name), &ids, entries).await.unwrap();
        let days: Vec<_> = sent
            .iter()
            .map(|(day, count)| ((day - DAY) / DAY_MS, *count))
            .collect();
        days
    };
    assert_eq!(sent("alice", 100).await, [(2, 1), (1, 1), (0, 1)]);
    assert_eq!(sent("bob", 100).await, [(1, 1)]);
    assert!(sent("carol", 100).await.is_empty(), "a reaction is no message");
    assert!(sent("dave", 100).await.is_empty());
    let some: u64 = sent("alice", 2).await.iter().map(|(_, count)| count).sum();
    assert_eq!(some, 2, "no more than that are looked at");
    assert!(store.sent_by(&user("alice"), &[], 100).await.unwrap().is_empty());
}

pub async fn the_newest_entries_are_looked_at_and_no_others(store: &dyn StorePorts) {
    let entry = |seq: u64, day: i64| {
        Arc::new(Entry {
            sender: Some(user(if seq.is_multiple_of(2) { "even" } else { "odd" })),
            client_id: Some(client_id(&format!("{seq}"))),
            at: DAY + day * DAY_MS,
            ..system("c", seq, Body::Message(Content::text("Hi")))
        })
    };
    // Ids are made here, one after the other.
    for seq in 1..=6 {
        store.insert(&[entry(seq, seq as i64 / 4)]).await.unwrap();
    }
    let newest = store.tally_newest(3).await.unwrap();
    assert_eq!(
        newest,
        Tally {
            senders: 2,
            days: vec![(DAY + DAY_MS, 3)]
        }
    );
}
