use futures::SinkExt;
use serde_json::json;
use starling_protocol::{Body, Codec, Content, Error, ErrorCode, Reply, ServerFrame};
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::node::Node;

/// Syncs from nothing and reads up to the reply.
async fn sync(client: &mut Client) {
    client.send(1_000, "sync", json!({})).await;
    loop {
        if let ServerFrame::Reply { id: 1_000, result } = client.frame().await {
            result.unwrap();
            return;
        }
    }
}

#[tokio::test]
async fn two_sessions_hear_each_other_in_either_codec() {
    let node = Node::start().await;
    let mut ann = Client::connect(&node, "ann").await;
    let mut bob = Client::connect_in(&node, "bob", Codec::MessagePack).await;
    ann.send(1, "create", json!({"kind": "direct", "members": ["bob"]}))
        .await;
    let Ok(Reply::Conversation(made)) = ann.reply(1).await else {
        panic!("created")
    };
    sync(&mut ann).await;
    sync(&mut bob).await;

    let conversation = made.id.as_str();
    ann.send(
        2,
        "send",
        json!({"conversation": conversation, "client_id": "a1", "text": "Hello ✓ 𝄞"}),
    )
    .await;
    bob.send(
        2,
        "send",
        json!({"conversation": conversation, "client_id": "b1", "text": "Hi"}),
    )
    .await;
    for client in [&mut ann, &mut bob] {
        let mut texts = Vec::new();
        for seq in [2, 3] {
            let entry = client.entry().await;
            assert_eq!(entry.seq, seq);
            if let Body::Message(Content { text, .. }) = &entry.body {
                texts.push(text.clone());
            }
        }
        texts.sort();
        assert_eq!(texts, ["Hello ✓ 𝄞", "Hi"]);
    }
}

#[tokio::test]
async fn pipelined_sends_keep_their_order_and_are_each_answered() {
    let node = Node::start().await;
    let mut ann = Client::connect(&node, "ann").await;
    let mut bob = Client::connect(&node, "bob").await;
    ann.send(1, "create", json!({"kind": "direct", "members": ["bob"]}))
        .await;
    let Ok(Reply::Conversation(made)) = ann.reply(1).await else {
        panic!("created")
    };
    sync(&mut bob).await;
    for id in 0..500_u64 {
        let send = json!({"conversation": made.id, "client_id": format!("k{id}"), "text": id.to_string()});
        ann.socket
            .feed(Message::text(json!({"id": id, "send": send}).to_string()))
            .await
            .unwrap();
    }
    ann.socket.flush().await.unwrap();
    for id in 0..500 {
        let Ok(Reply::Sent(sent)) = ann.reply(id).await else {
            panic!("sent")
        };
        assert_eq!(sent.seq, id + 2);
        let entry = bob.entry().await;
        assert_eq!(entry.seq, id + 2);
        assert_eq!(entry.body, Body::Message(Content::text(id.to_string())));
    }
}

/// The reply to this id; whatever comes before it is passed over.
async fn answer(client: &mut Client, id: u64) -> Result<Reply, Error> {
    loop {
        match client.frame().await {
            ServerFrame::Reply { id: found, result } if found == id => return result,
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_becomes_of_a_message_is_heard_in_either_codec() {
    let node = Node::start().await;
    let mut ann = Client::connect(&node, "ann").await;
    let mut bob = Client::connect_in(&node, "bob", Codec::MessagePack).await;
    ann.send(1, "create", json!({"kind": "direct", "members": ["bob"]}))
        .await;
    let Ok(Reply::Conversation(made)) = ann.reply(1).await else {
        panic!("created")
    };
    let conversation = made.id.as_str();
    let message = |text: &str| json!({"conversation": conversation, "client_id": "a1", "text": text});
    ann.send(2, "send", message("Hello")).await;
    ann.reply(2).await.unwrap();
    sync(&mut ann).await;
    sync(&mut bob).await;
    bob.send(
        3,
        "edit",
        json!({"conversation": conversation, "seq": 2, "text": "x"}),
    )
    .await;
    let refused = answer(&mut bob, 3).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    ann.send(
        3,
        "edit",
        json!({"conversation": conversation, "seq": 2, "text": "Hi"}),
    )
    .await;
    let emoji = json!({"conversation": conversation, "seq": 2, "emoji": "👍"});
    let Body::Edited { target: 2, text } = bob.entry().await.body.clone() else {
        panic!("not edited");
    };
    assert_eq!(text, "Hi");
    bob.send(4, "react", emoji).await;
    ann.entry().await;
    let reacted = ann.entry().await.body.clone();
    let emoji = "👍".to_owned();
    assert_eq!(
        reacted,
        Body::Reacted {
            target: 2,
            emoji,
            removed: false
        }
    );
    ann.send(5, "delete", json!({"conversation": conversation, "seq": 2}))
        .await;
    bob.entry().await;
    assert_eq!(bob.entry().await.body, Body::Deleted { target: 2 });
}
