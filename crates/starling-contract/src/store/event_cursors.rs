//! How far sinks of events were told.

use starling_core::ports::{Effect, EventCursor};
use starling_protocol::Seq;

use crate::StorePorts;
use crate::sample::{conversation, record};

fn told(cursors: &[EventCursor]) -> Vec<(String, Option<Seq>)> {
    let mut told: Vec<_> = cursors
        .iter()
        .map(|cursor| (cursor.conversation.to_string(), cursor.told))
        .collect();
    told.sort();
    told
}

pub async fn a_cursor_is_kept_for_each_sink_and_never_lowered(store: &dyn StorePorts) {
    let create = |id: &str| Effect::CreateConversation(record(id));
    store
        .apply(&[create("a"), create("b"), create("c")])
        .await
        .unwrap();
    let ids = ["a", "b", "nowhere"].map(conversation);
    let raise = async |sink, id: &str, seq| {
        store
            .raise_cursors(sink, &[(conversation(id), seq)])
            .await
            .unwrap();
    };
    raise("rabbitmq", "a", 7).await;
    raise("rabbitmq", "a", 5).await;
    raise("webhook", "a", 3).await;
    raise("webhook", "nowhere", 3).await;
    store.raise_cursors("webhook", &[]).await.unwrap();
    for (sink, expected) in [("rabbitmq", Some(7)), ("webhook", Some(3))] {
        let cursors = store.cursors(sink, &ids).await.unwrap();
        assert_eq!(
            told(&cursors),
            [("a".into(), expected), ("b".into(), None)],
            "{sink}"
        );
        let of_a = cursors
            .iter()
            .find(|cursor| cursor.conversation == ids[0])
            .unwrap();
        let made = record("a");
        assert_eq!((of_a.kind, of_a.created_at), (made.kind, made.created_at));
    }
    // What is applied again leaves it alone.
    store.apply(&[create("a")]).await.unwrap();
    let page = store.scan_cursors("rabbitmq", None, 2).await.unwrap();
    assert_eq!(told(&page), [("a".into(), Some(7)), ("b".into(), None)]);
    let page = store.scan_cursors("rabbitmq", Some(&ids[1]), 2).await.unwrap();
    assert_eq!(told(&page), [("c".into(), None)]);
    assert!(store.scan_cursors("rabbitmq", None, 0).await.unwrap().is_empty());
    assert!(store.cursors("rabbitmq", &[]).await.unwrap().is_empty());
}

pub async fn a_sink_begins_once(store: &dyn StorePorts) {
    let at_once = futures::future::join_all((1..=8).map(|now| store.told_since("rabbitmq", now))).await;
    let since = at_once[0].clone().unwrap();
    assert!((1..=8).contains(&since));
    assert!(at_once.into_iter().all(|told| told.unwrap() == since));
    assert_eq!(store.told_since("rabbitmq", 100).await.unwrap(), since);
    assert_eq!(store.told_since("webhook", 100).await.unwrap(), 100);
}
