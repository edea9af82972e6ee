//! History with real services: the newest page through a Redis that forgets, lies or is away; deletion of
//! conversations and statistics with clients on different nodes.

use std::time::Duration;

use starling_client::{Client, Error, Event};
use starling_cluster::Reply;
use starling_protocol::{
    Command, ConversationId, DeleteMessage, EditMessage, Entry, ErrorCode, History, List, React, Seq,
};

use crate::stage::{Stage, eventually, user};

const SOON: Duration = Duration::from_secs(20);

async fn page(client: &Client, history: History) -> Vec<Entry> {
    let page = client.history(history).await.unwrap();
    page.entries.iter().map(|entry| Entry::clone(entry)).collect()
}

/// The newest page, from wherever, and the same from MongoDB.
async fn pages(client: &Client, id: &ConversationId) -> [Vec<Entry>; 2] {
    let newest = History {
        limit: Some(20),
        ..History::newest(id.clone())
    };
    let stored = History {
        before: Some(Seq::MAX),
        ..newest.clone()
    };
    [page(client, newest).await, page(client, stored).await]
}

#[tokio::test]
async fn the_newest_page_is_that_of_the_log_whatever_redis_does() {
    let stage = Stage::start("recent").await;
    let (ann, bob) = (stage.client_at(0, "ann").await, stage.client_at(1, "bob").await);
    let id = ann.create_group(vec![user("bob")]).await.unwrap().id;
    let mut last = 0;
    for n in 0..30 {
        let client = if n % 2 == 0 { &ann } else { &bob };
        last = client.send(&id, format!("number {n}")).await.unwrap().seq;
    }
    let key = format!("recent:{{{id}}}");
    let redis = async |args: &[&str]| stage.redis().command(args).await.unwrap();
    let check = async |what: &str| {
        for client in [&ann, &bob] {
            let [newest, stored] = pages(client, &id).await;
            assert_eq!(newest, stored, "{what}");
        }
    };
    let hits = "starling_recent_pages_total{result=\"hit\"}";
    eventually("a page comes from Redis", SOON, async || {
        check("at rest").await;
        (stage.metric(1, hits).await > 0).then_some(())
    })
    .await;

    stage.redis().flush_all().await.unwrap();
    check("flushed").await;
    let copy = async || {
        redis(&["DEL", "kept"]).await;
        eventually("the list is there", SOON, async || {
            check("again").await;
            let copied = redis(&["COPY", &key, "kept"]).await;
            (copied == Reply::Integer(1)).then_some(())
        })
        .await;
    };
    copy().await;
    for (what, from, to) in [("short", "-5", "-1"), ("without its end", "0", "-3")] {
        redis(&["COPY", "kept", &key, "REPLACE"]).await;
        redis(&["LTRIM", &key, from, to]).await;
        check(what).await;
    }
    redis(&["COPY", "kept", &key, "REPLACE"]).await;
    redis(&["LSET", &key, "-3", "nonsense"]).await;
    check("spoilt").await;
    redis(&["COPY", "kept", &key, "REPLACE"]).await;
    redis(&["LSET", &key, "-3", "nonsense"]).await;
    redis(&["LREM", &key, "1", "nonsense"]).await;
    check("with a hole").await;

    // Something is altered while Redis does not answer, and then it has the list from before.
    ann.send(&id, "one more").await.unwrap();
    check("again").await;
    copy().await;
    stage.redis().pause().unwrap();
    let conversation = id.clone();
    let (seq, client_id, retry) = (last - 1, None, false);
    let text = "better".to_owned();
    let change = EditMessage {
        conversation,
        seq,
        text,
        client_id,
        retry,
    };
    let owner = if (last - 1) % 2 == 0 { &ann } else { &bob };
    owner.request(Command::Edit(change)).await.unwrap();
    let conversation = id.clone();
    let change = DeleteMessage {
        conversation,
        seq: last,
        client_id: None,
        retry,
    };
    ann.request(Command::Delete(change)).await.unwrap();
    let is_right = async |what: &str| {
        check(what).await;
        let [newest, _] = pages(&bob, &id).await;
        let of = |seq: Seq| newest.iter().find(|entry| entry.seq == seq).unwrap();
        assert_eq!(
            of(last - 1).state.as_ref().unwrap().text.as_deref(),
            Some("better"),
            "{what}"
        );
        assert!(of(last).state.as_ref().unwrap().deleted_at.is_some(), "{what}");
        assert!(!format!("{newest:?}").contains("number 29"), "{what}");
    };
    is_right("while Redis is away").await;
    stage.redis().resume().unwrap();
    is_right("when Redis is back").await;
    redis(&["COPY", "kept", &key, "REPLACE"]).await;
    is_right("with the list from before").await;
    let conversation = id.clone();
    let reaction = React {
        conversation,
        seq: last - 1,
        emoji: "+1".into(),
        removed: false,
        client_id: None,
        retry,
    };
    ann.request(Command::React(reaction)).await.unwrap();
    is_right("with a reaction behind it").await;
    redis(&["COPY", "kept", &key, "REPLACE"]).await;
    is_right("with the old list once more").await;
}

#[tokio::test]
async fn conversations_are_deleted_for_one_or_for_all_across_nodes() {
    let stage = Stage::start("deletion").await;
    let (ann, bob, eve) = (
        stage.client_at(0, "ann").await,
        stage.client_at(1, "bob").await,
        stage.client_at(2, "eve").await,
    );
    let id = ann.create_group(vec![user("bob"), user("eve")]).await.unwrap().id;
    ann.send(&id, "secret").await.unwrap();
    let unread = async |client: &Client| {
        let page = client.list(List::default()).await.unwrap();
        let listed = page.conversations.into_iter().find(|listed| listed.id == id);
        listed.map(|listed| listed.unread)
    };
    bob.hide(&id).await.unwrap();
    assert_eq!((unread(&bob).await, unread(&eve).await), (None, Some(1)));
    let again = stage.client_at(2, "bob").await;
    assert_eq!(unread(&again).await, None, "on his other devices, too");
    eve.send(&id, "secret, too").await.unwrap();
    assert_eq!(unread(&bob).await, Some(2));

    let stats = bob.conversation_stats(&id, None).await.unwrap();
    let stored = stage.stored(&id).await;
    let messages = stored.iter().filter(|entry| {
        let body = entry.get_document("body").unwrap();
        body.contains_key("message")
    });
    assert_eq!(stats.messages, messages.count() as u64);
    assert_eq!((stats.members, stats.senders), (3, 2));
    assert_eq!(
        stats.days.iter().map(|day| day.messages).sum::<u64>(),
        stats.messages
    );

    let refused = |outcome: Result<starling_protocol::Sent, Error>| match outcome {
        Err(Error::Refused(error)) => error.code,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(refused(bob.dissolve(&id).await), ErrorCode::Forbidden);
    let told = async |name: &str, client: &Client, seq: Seq| {
        let told = async {
            while !matches!(client.next_event().await, Ok(Event::Entry(entry)) if entry.seq == seq) {}
        };
        let told = tokio::time::timeout(SOON, told).await;
        assert_eq!(told, Ok(()), "{name} is told of {seq}");
    };
    let all = [("ann", &ann), ("bob", &bob), ("eve", &eve)];
    for (name, client) in all {
        // Whose stream is open is told of the end.
        told(name, client, 3).await;
    }
    let end = ann.dissolve(&id).await.unwrap().seq;
    for (name, client) in all {
        told(name, client, end).await;
        assert_eq!(unread(client).await, None);
        assert_eq!(
            refused(client.send(&id, "late").await),
            ErrorCode::ConversationDeleted
        );
    }
    let stored = stage.stored(&id).await;
    assert_eq!(stored.len() as u64, end);
    assert!(!format!("{stored:?}").contains("secret"), "the texts are gone");
    assert!(stored.iter().skip(1).all(|entry| entry.contains_key("client_id")));
}
