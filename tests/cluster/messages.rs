//! Messages that change, across nodes and for those who were away.

use std::sync::Arc;
use std::time::Duration;

use starling_client::protocol::{
    Body, Codec, Command, Content, Entry, History, MessageState, Reply, Send, Seq,
};
use starling_client::{Client, Error, Event};
use starling_protocol::{ClientId, ConversationId, ErrorCode};

use crate::stage::{Stage, user};

const SOON: Duration = Duration::from_secs(20);

/// The next entries of a conversation, up to this one.
async fn entries(client: &Client, id: &ConversationId, last: Seq) -> Vec<Arc<Entry>> {
    let mut entries: Vec<Arc<Entry>> = Vec::new();
    while entries.last().is_none_or(|entry| entry.seq < last) {
        let event = tokio::time::timeout(SOON, client.next_event()).await;
        if let Event::Entry(entry) = event.expect("an entry in time").unwrap()
            && entry.conversation == *id
        {
            entries.push(entry);
        }
    }
    entries
}

fn bodies(entries: &[Arc<Entry>]) -> Vec<Body> {
    entries.iter().map(|entry| entry.body.clone()).collect()
}

async fn history(client: &Client, id: &ConversationId) -> Vec<Arc<Entry>> {
    let history = History {
        after: Some(0),
        ..History::newest(id.clone())
    };
    client.history(history).await.unwrap().entries
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorCode {
    match result {
        Err(Error::Refused(error)) => error.code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn edits_deletions_and_reactions_reach_everyone_live_and_after_a_resume() {
    let stage = Stage::start("messages").await;
    let (ann, bob, eve) = (
        stage.client_at(0, "ann").await,
        stage.client_at(1, "bob").await,
        stage.client_at(2, "eve").await,
    );
    let id = ann.create_group(vec![user("bob"), user("eve")]).await.unwrap().id;
    for text in ["a first secret", "second"] {
        bob.send(&id, text).await.unwrap();
    }
    entries(&eve, &id, 3).await;
    let cursors = eve.cursors();
    eve.close().await;

    // Live, from one node to another.
    let edited = bob.edit(&id, 2, "a better secret").await.unwrap();
    assert_eq!(ann.react(&id, 3, "👍").await.unwrap().seq, 5);
    assert_eq!(bob.react(&id, 3, "🎉").await.unwrap().seq, 6);
    assert_eq!(bob.unreact(&id, 3, "🎉").await.unwrap().seq, 7);
    assert_eq!(
        ann.react(&id, 3, "👍").await.unwrap().client_id,
        None,
        "it is there"
    );
    assert_eq!(refused(ann.edit(&id, 2, "forged").await), ErrorCode::Forbidden);
    assert_eq!(
        refused(bob.edit(&id, 9, "what?").await),
        ErrorCode::UnknownMessage
    );
    let reply = Send {
        reply_to: Some(3),
        ..Send::text(id.clone(), ClientId::new("r1").unwrap(), "a reply")
    };
    let Reply::Sent(replied) = ann.request(Command::Send(reply)).await.unwrap() else {
        panic!("not sent");
    };
    assert_eq!(replied.seq, 8);
    let reacted = |emoji: &str, removed| Body::Reacted {
        target: 3,
        emoji: emoji.into(),
        removed,
    };
    let said = Body::Message(Content {
        text: "a reply".into(),
        reply_to: Some(3),
        ..Content::default()
    });
    let edit = Body::Edited {
        target: 2,
        text: "a better secret".into(),
    };
    let rest = [
        reacted("👍", false),
        reacted("🎉", false),
        reacted("🎉", true),
        said,
        Body::Deleted { target: 2 },
    ];
    let before = history(&ann, &id).await;
    let state = before[1].state.clone().unwrap();
    assert_eq!(
        (state.text.as_deref(), state.edited_at),
        (Some("a better secret"), Some(edited.at))
    );

    // An admin deletes what another said, and edited.
    let deleted = ann.delete(&id, 2).await.unwrap();
    assert_eq!(deleted.seq, 9);
    for client in [&ann, &bob] {
        let heard = bodies(&entries(client, &id, 9).await);
        assert_eq!(heard[3], edit);
        assert_eq!(heard[4..], rest);
    }
    assert_eq!(
        refused(bob.edit(&id, 2, "again").await),
        ErrorCode::UnknownMessage
    );

    // Eve was away. She resumes on another node, and hears all of it but the text that is gone.
    let eve = Client::builder([stage.node(1).ws_url()])
        .token(stage.token("eve").unwrap())
        .codec(Codec::MessagePack)
        .cursors(cursors)
        .connect()
        .await
        .unwrap();
    let heard = entries(&eve, &id, 9).await;
    assert_eq!(heard[0].seq, 4);
    let blank = Body::Edited {
        target: 2,
        text: String::new(),
    };
    assert_eq!(bodies(&heard)[0], blank);
    assert_eq!(bodies(&heard)[1..], rest);
    assert_eq!(heard[4].state, None, "nothing became of the reply");

    // History tells what became of each.
    let page = history(&eve, &id).await;
    let gone = MessageState {
        changed: 9,
        deleted_at: Some(deleted.at),
        deleted_by: Some(user("ann")),
        ..MessageState::default()
    };
    assert_eq!(page[1].body, Body::Message(Content::text("")));
    assert_eq!(page[1].state, Some(gone));
    let reactions = page[2].state.as_ref().map(|state| state.reactions.clone());
    assert_eq!(reactions, Some([("👍".to_owned(), vec![user("ann")])].into()));

    // Nothing of it is left in the database.
    let stored = stage.stored(&id).await;
    assert_eq!(stored.len(), 9);
    let text = format!("{stored:?}");
    assert!(!text.contains("secret"), "{text}");

    // The nodes that did all this are gone, and it is as it was.
    stage.node(0).kill9().await.unwrap();
    stage.node(2).kill9().await.unwrap();
    assert_eq!(history(&eve, &id).await, page);
    assert_eq!(refused(bob.react(&id, 2, "👍").await), ErrorCode::UnknownMessage);
    assert_eq!(bob.react(&id, 3, "🎉").await.unwrap().seq, 10);
}
