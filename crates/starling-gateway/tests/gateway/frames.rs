use futures::SinkExt;
use serde_json::json;
use starling_gateway::GatewaySettings;
use starling_protocol::limits::MAX_FRAME_BYTES;
use starling_protocol::{Codec, ErrorCode, Reply};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::client::{Client, request};
use crate::node::Node;

#[tokio::test]
async fn refusals_are_replies_and_the_connection_goes_on() {
    let node = Node::start().await;
    for &codec in Codec::ALL {
        let mut client = Client::connect_in(&node, "ann", codec).await;
        client.send(1, "shout", json!({})).await;
        assert_eq!(client.reply(1).await.unwrap_err().code, ErrorCode::UnknownCommand);
        client.send(2, "send", json!({"conversation": "c"})).await;
        assert_eq!(client.reply(2).await.unwrap_err().code, ErrorCode::Invalid);
        client
            .send(
                3,
                "send",
                json!({"conversation": "c", "client_id": "1", "text": "  "}),
            )
            .await;
        assert_eq!(client.reply(3).await.unwrap_err().code, ErrorCode::Invalid);
        client
            .send(
                4,
                "send",
                json!({"conversation": "nowhere", "client_id": "1", "text": "x"}),
            )
            .await;
        assert_eq!(
            client.reply(4).await.unwrap_err().code,
            ErrorCode::UnknownConversation
        );
        client.send(u64::MAX, "ping", json!({})).await;
        assert!(matches!(client.reply(u64::MAX).await, Ok(Reply::Pong { .. })));
    }
}

#[tokio::test]
async fn malformed_frames_are_answered_without_an_id() {
    let node = Node::start().await;
    let mut json = Client::connect(&node, "ann").await;
    for text in ["{", "null", r#"{"ping":{}}"#, ""] {
        json.send_raw(Message::text(text)).await;
        assert_eq!(json.error_event().await.code, ErrorCode::Malformed, "{text}");
    }
    json.send_raw(Message::text(r#"{"id":5,"ping":{},"list":{}}"#))
        .await;
    assert_eq!(json.reply(5).await.unwrap_err().code, ErrorCode::Malformed);

    let mut packed = Client::connect_in(&node, "ann", Codec::MessagePack).await;
    for bytes in [&b"\xc1"[..], b"\x81\xa2id", b""] {
        packed.send_raw(Message::binary(bytes.to_vec())).await;
        assert_eq!(packed.error_event().await.code, ErrorCode::Malformed, "{bytes:?}");
    }
}

#[tokio::test]
async fn each_codec_has_its_kind_of_frame() {
    let node = Node::start().await;
    let mut json = Client::connect(&node, "ann").await;
    json.send_raw(Message::binary(r#"{"id":1,"ping":{}}"#)).await;
    assert_eq!(json.error_event().await.code, ErrorCode::Malformed);
    let mut packed = Client::connect_in(&node, "ann", Codec::MessagePack).await;
    packed.send_raw(Message::text(r#"{"id":1,"ping":{}}"#)).await;
    assert_eq!(packed.error_event().await.code, ErrorCode::Malformed);
}

#[tokio::test]
async fn a_client_that_does_not_speak_the_protocol_is_let_go() {
    let settings = GatewaySettings {
        max_malformed: 3,
        ..GatewaySettings::default()
    };
    let node = Node::with(settings, |_| {}).await;
    let mut client = Client::connect(&node, "ann").await;
    // What is well-formed but refused does not count.
    for id in 0..5 {
        client.send(id, "shout", json!({})).await;
        client.reply(id).await.unwrap_err();
    }
    for _ in 0..3 {
        client.send_raw(Message::text("?")).await;
        client.error_event().await;
    }
    assert_eq!(client.close_code().await, 4202);
}

#[tokio::test]
async fn frames_up_to_the_limit_are_read() {
    let node = Node::start().await;
    let mut client = Client::connect(&node, "ann").await;
    let mut text = r#"{"id":1,"ping":{}}"#.to_owned();
    text.push_str(&" ".repeat(MAX_FRAME_BYTES - text.len()));
    client.send_raw(Message::text(text.clone())).await;
    client.reply(1).await.unwrap();
    // The same in pieces.
    let (head, tail) = text.as_bytes().split_at(1000);
    let first = Frame::message(head.to_vec(), OpCode::Data(Data::Text), false);
    let last = Frame::message(tail.to_vec(), OpCode::Data(Data::Continue), true);
    client.send_raw(Message::Frame(first)).await;
    client.send_raw(Message::Frame(last)).await;
    client.reply(1).await.unwrap();
}

#[tokio::test]
async fn larger_frames_end_the_connection_and_the_client_learns_why() {
    let node = Node::start().await;
    for bytes in [MAX_FRAME_BYTES + 1, 3 << 20] {
        let request = request(&node, "/ws?token=ann", &[], &[]);
        let mut client = Client::open_with(&node, request, Codec::Json, Some(4096))
            .await
            .unwrap();
        client.ready().await;
        // More than the kernel holds: the write ends only if the server goes on reading.
        client.send_raw(Message::text("x".repeat(bytes))).await;
        assert_eq!(client.error_event().await.code, ErrorCode::TooLarge, "{bytes}");
        assert_eq!(client.close_code().await, 4203, "{bytes}");
    }
    // In pieces that are each small enough.
    let mut client = Client::connect(&node, "ann").await;
    let piece = || "x".repeat(MAX_FRAME_BYTES / 2 + 1);
    let first = Frame::message(piece(), OpCode::Data(Data::Text), false);
    let last = Frame::message(piece(), OpCode::Data(Data::Continue), true);
    client.socket.feed(Message::Frame(first)).await.unwrap();
    client.send_raw(Message::Frame(last)).await;
    assert_eq!(client.error_event().await.code, ErrorCode::TooLarge);
    assert_eq!(client.close_code().await, 4203);
    node.until_connections("ann", 0).await;
}

#[tokio::test]
async fn what_is_no_websocket_ends_the_connection() {
    let node = Node::start().await;
    let mut client = Client::connect(&node, "ann").await;
    let frame = Frame::message(b"\xff\xfe".to_vec(), OpCode::Data(Data::Text), true);
    client.send_raw(Message::Frame(frame)).await;
    assert_eq!(client.error_event().await.code, ErrorCode::Malformed);
    assert_eq!(client.close_code().await, 4202);

    let mut client = Client::connect(&node, "ann").await;
    let frame = Frame::message(b"x".to_vec(), OpCode::Data(Data::Continue), true);
    client.send_raw(Message::Frame(frame)).await;
    assert_eq!(client.error_event().await.code, ErrorCode::Malformed);
    assert_eq!(client.close_code().await, 4202);
}

#[tokio::test]
async fn a_client_that_reads_nothing_back_is_not_read_from_either() {
    let settings = GatewaySettings {
        outbox_bytes: 16 << 10,
        ..GatewaySettings::default()
    };
    let node = Node::with(settings, |_| {}).await;
    let mut client = Client::connect(&node, "ann").await;
    // Replies to all of these at once are more than the queue holds.
    for id in 0..1_000 {
        let payload = json!({});
        client
            .socket
            .feed(Message::text(json!({"id": id, "ping": payload}).to_string()))
            .await
            .unwrap();
    }
    client.socket.flush().await.unwrap();
    for id in 0..1_000 {
        client.reply(id).await.unwrap();
    }
}
