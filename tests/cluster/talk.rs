//! The first thing that Starling is for.

use std::time::Duration;

use starling_client::{Client, Event};
use starling_protocol::{Body, ConversationId, Create, Kind};

use crate::stage::{Stage, eventually, user};

async fn next_text(client: &Client, id: &ConversationId) -> (u64, String) {
    loop {
        let event = tokio::time::timeout(Duration::from_secs(30), client.next_event())
            .await
            .unwrap()
            .unwrap();
        if let Event::Entry(entry) = event
            && entry.conversation == *id
            && let Body::Message(message) = &entry.body
        {
            return (entry.seq, message.text.clone());
        }
    }
}

#[tokio::test]
async fn two_clients_on_different_nodes_talk() {
    let stage = Stage::start("talk").await;
    let (ann, bob) = (stage.client_at(0, "ann").await, stage.client_at(2, "bob").await);
    assert_ne!(ann.node(), bob.node());
    let id = ann.create_direct(user("bob")).await.unwrap().id;
    assert_eq!(ann.send(&id, "hello, bob").await.unwrap().seq, 2);
    assert_eq!(next_text(&bob, &id).await, (2, "hello, bob".into()));
    assert_eq!(bob.send(&id, "hello, ann 👋").await.unwrap().seq, 3);
    assert_eq!(next_text(&ann, &id).await, (2, "hello, bob".into()));
    assert_eq!(next_text(&ann, &id).await, (3, "hello, ann 👋".into()));
    assert_eq!(stage.stored(&id).await.len(), 3);

    // A third device comes later, resumes from its cursor on another node, and has the same log.
    let later = Client::builder([stage.node(1).ws_url()])
        .token(stage.token("bob").unwrap())
        .cursors([(id.clone(), 1)].into())
        .connect()
        .await
        .unwrap();
    assert_eq!(next_text(&later, &id).await, (2, "hello, bob".into()));
    assert_eq!(next_text(&later, &id).await, (3, "hello, ann 👋".into()));
}

#[tokio::test]
async fn a_direct_conversation_opened_from_both_sides_at_once_is_one() {
    let stage = Stage::start("direct").await;
    for round in 0..10 {
        let names = [format!("ann{round}"), format!("bob{round}")];
        let (ann, bob) = (
            stage.client_at(0, &names[0]).await,
            stage.client_at(1, &names[1]).await,
        );
        let (a, b) = tokio::join!(
            ann.create_direct(user(&names[1])),
            bob.create_direct(user(&names[0]))
        );
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.id, b.id);
        assert_eq!(stage.stored(&a.id).await.len(), 1);
    }
}

#[tokio::test]
async fn members_come_and_go_while_they_are_connected_elsewhere() {
    let stage = Stage::start("members").await;
    let (ann, bob) = (stage.client_at(0, "ann").await, stage.client_at(1, "bob").await);
    let create = Create {
        name: Some("club".into()),
        open: Some(true),
        ..Create::of(Kind::Group, vec![])
    };
    let id = ann.create(create).await.unwrap().id;
    ann.send(&id, "before").await.unwrap();
    bob.join(&id).await.unwrap();
    ann.send(&id, "during").await.unwrap();
    assert_eq!(next_text(&bob, &id).await, (4, "during".into()));
    ann.remove(&id, user("bob")).await.unwrap();
    ann.send(&id, "after").await.unwrap();
    eventually(
        "bob knows that he is removed",
        Duration::from_secs(30),
        async || {
            matches!(bob.next_event().await.unwrap(), Event::Removed(removed) if removed == id).then_some(())
        },
    )
    .await;
    assert!(bob.send(&id, "may I?").await.is_err());
    assert_eq!(stage.stored(&id).await.len(), 6);
}
