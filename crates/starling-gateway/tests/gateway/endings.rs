use std::time::Duration;

use futures::SinkExt;
use serde_json::json;
use starling_gateway::GatewaySettings;
use starling_protocol::{Codec, ErrorCode, Event, Reply, ServerFrame};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, SOON, request};
use crate::node::Node;

fn heartbeat(milliseconds: u64) -> GatewaySettings {
    GatewaySettings {
        heartbeat: Duration::from_millis(milliseconds),
        ..GatewaySettings::default()
    }
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_then_let_go() {
    let node = Node::with(heartbeat(200), |_| {}).await;
    let start = tokio::time::Instant::now();
    let mut client = Client::connect(&node, "ann").await;
    // tungstenite queues its pong when it reads the ping, and sends it only when it is polled again.
    assert!(matches!(client.message().await, Message::Ping(_)));
    assert!(start.elapsed() >= Duration::from_millis(200));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(client.close_code().await, 4002);
    node.until_connections("ann", 0).await;
}

#[tokio::test]
async fn any_frame_is_a_sign_of_life() {
    let node = Node::with(heartbeat(500), |_| {}).await;
    let start = tokio::time::Instant::now();
    let mut client = Client::connect(&node, "ann").await;
    // Answers pings only, by reading.
    for _ in 0..3 {
        assert!(
            matches!(client.message().await, Message::Ping(_)),
            "only pings come"
        );
    }
    assert!(
        start.elapsed() >= Duration::from_millis(1_500),
        "one ping for each silence"
    );
    client.send(1, "ping", json!({})).await;
    client.reply(1).await.unwrap();
}

#[tokio::test]
async fn the_newest_connection_over_the_limit_is_refused() {
    let node = Node::with(GatewaySettings::default(), |settings| {
        settings.connections_per_user = Some(2)
    })
    .await;
    let mut first = Client::connect(&node, "ann").await;
    let _second = Client::connect(&node, "ann").await;

    let mut third = Client::open(&node, request(&node, "/ws?token=ann", &[], &[]), Codec::Json)
        .await
        .unwrap();
    assert_eq!(third.error_event().await.code, ErrorCode::TooManyConnections);
    assert_eq!(third.close_code().await, 4100);

    let mut fourth = Client::pending(&node, Codec::MessagePack).await;
    fourth.send(9, "auth", json!({"token": "ann"})).await;
    assert_eq!(
        fourth.reply(9).await.unwrap_err().code,
        ErrorCode::TooManyConnections
    );
    assert_eq!(fourth.close_code().await, 4100);

    // The place is free as soon as the closing handshake is done: no waiting, no retry.
    for _ in 0..20 {
        first.socket.close(None).await.unwrap();
        first.close_code_of_own_close().await;
        first = Client::connect(&node, "ann").await;
    }
}

#[tokio::test]
async fn five_connections_is_the_default() {
    let node = Node::start().await;
    let mut connected = Vec::new();
    for _ in 0..5 {
        connected.push(Client::connect(&node, "ann").await);
    }
    let mut sixth = Client::open(&node, request(&node, "/ws?token=ann", &[], &[]), Codec::Json)
        .await
        .unwrap();
    sixth.error_event().await;
    assert_eq!(sixth.close_code().await, 4100);
}

#[tokio::test]
async fn a_session_ends_with_its_connection() {
    let node = Node::start().await;
    let mut polite = Client::connect(&node, "ann").await;
    let rude = Client::connect(&node, "ann").await;
    assert_eq!(node.connections("ann"), 2);
    polite.socket.close(None).await.unwrap();
    node.until_connections("ann", 1).await;
    drop(rude);
    node.until_connections("ann", 0).await;
}

#[tokio::test]
async fn a_draining_node_sends_its_clients_elsewhere() {
    let node = Node::start().await;
    let mut client = Client::connect(&node, "ann").await;
    let drain = tokio::spawn({
        let engine = node.engine.clone();
        async move { engine.drain().await }
    });
    assert_eq!(client.close_code().await, 4000);
    tokio::time::timeout(SOON, drain)
        .await
        .expect("drained in time")
        .unwrap();
    assert_eq!(node.connections("ann"), 0);
    // Who comes late is told to come again.
    let mut late = Client::open(&node, request(&node, "/ws?token=ann", &[], &[]), Codec::Json)
        .await
        .unwrap();
    assert_eq!(late.error_event().await.code, ErrorCode::Unavailable);
    assert_eq!(late.close_code().await, 4101);
}

/// A conversation of bob's and ann's, where bob listens over a line that holds little.
async fn listener_and_talker(node: &Node) -> (Client, Client, String) {
    let mut ann = Client::connect(node, "ann").await;
    ann.send(1, "create", json!({"kind": "direct", "members": ["bob"]}))
        .await;
    let Ok(Reply::Conversation(made)) = ann.reply(1).await else {
        panic!("created")
    };
    let request = request(node, "/ws?token=bob", &[], &[]);
    let mut bob = Client::open_with(node, request, Codec::Json, Some(4096))
        .await
        .unwrap();
    bob.ready().await;
    bob.send(1, "sync", json!({})).await;
    loop {
        if let ServerFrame::Reply { id: 1, result } = bob.frame().await {
            result.unwrap();
            break;
        }
    }
    (bob, ann, made.id.to_string())
}

/// Sends until what the kernel and the queue hold for the listener is exceeded by far.
async fn talk(ann: &mut Client, conversation: &str) {
    let text = "x".repeat(5_000);
    for id in 0..1_000_u64 {
        let payload = json!({"conversation": conversation, "client_id": format!("k{id}"), "text": text});
        ann.socket
            .feed(Message::text(json!({"id": id, "send": payload}).to_string()))
            .await
            .unwrap();
        if id % 50 == 49 {
            ann.socket.flush().await.unwrap();
            for id in id - 49..=id {
                ann.reply(id).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_slow_reader_is_let_go_and_told_so() {
    let settings = GatewaySettings {
        outbox_bytes: 256 << 10,
        ..GatewaySettings::default()
    };
    let node = Node::with(settings, |_| {}).await;
    let (mut bob, mut ann, conversation) = listener_and_talker(&node).await;
    talk(&mut ann, &conversation).await;
    // Now bob reads: what the kernel had for him, without a gap, and then why there is no more. On a slow machine
    // word of his own marks is among it, and that ann is there.
    let mut expected = None;
    let code = loop {
        match bob.message().await {
            Message::Text(text) => match bob.codec.decode_server(text.as_bytes()).unwrap() {
                ServerFrame::Event(Event::Entry(entry)) => {
                    assert_eq!(entry.seq, expected.unwrap_or(entry.seq), "no gap");
                    expected = Some(entry.seq + 1);
                }
                ServerFrame::Event(Event::Receipts(_) | Event::Presence(_)) => {}
                other => panic!("{other:?}"),
            },
            Message::Close(frame) => break u16::from(frame.unwrap().code),
            other => panic!("{other:?}"),
        }
    };
    assert!(expected.is_some(), "what the kernel had");
    assert_eq!(code, 4001);
    node.until_connections("bob", 0).await;
}

#[tokio::test]
async fn a_reader_that_stopped_is_dropped_in_time() {
    let settings = GatewaySettings {
        outbox_bytes: 256 << 10,
        write_timeout: Duration::from_millis(300),
        ..GatewaySettings::default()
    };
    let node = Node::with(settings, |_| {}).await;
    let (_bob, mut ann, conversation) = listener_and_talker(&node).await;
    talk(&mut ann, &conversation).await;
    node.until_connections("bob", 0).await;
}
