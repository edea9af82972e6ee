use std::time::Duration;

use serde_json::json;
use starling_gateway::GatewaySettings;
use starling_protocol::{Codec, ErrorCode, Reply};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, request};
use crate::node::{Node, seconds_from_now};

#[tokio::test]
async fn a_token_in_the_header() {
    let node = Node::start().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = request(&node, "/ws", &[("authorization", &format!("{scheme} ann"))], &[]);
        let mut client = Client::open(&node, request, Codec::Json).await.unwrap();
        let ready = client.ready().await;
        assert_eq!((ready.user.as_str(), ready.node.as_str()), ("ann", "node-1"));
        assert_eq!(ready.heartbeat_ms, 25_000);
        assert!(!ready.connection.is_empty());
    }
}

#[tokio::test]
async fn a_token_in_the_query() {
    let node = Node::start().await;
    let request = request(&node, "/ws?v=1&token=a%20b", &[], &[]);
    let mut client = Client::open(&node, request, Codec::Json).await.unwrap();
    assert_eq!(client.ready().await.user.as_str(), "a b");
}

#[tokio::test]
async fn a_token_in_the_first_frame() {
    let node = Node::start().await;
    for &codec in Codec::ALL {
        let mut client = Client::pending(&node, codec).await;
        client.send_raw(Message::Ping("still there?".into())).await;
        client.send(7, "auth", json!({"token": "ann"})).await;
        assert_eq!(client.ready().await.user.as_str(), "ann");
        assert_eq!(client.reply(7).await, Ok(Reply::Done {}));
        client.send(8, "ping", json!({})).await;
        assert!(matches!(client.reply(8).await, Ok(Reply::Pong { .. })));
    }
}

#[tokio::test]
async fn the_header_goes_before_the_query() {
    let node = Node::start().await;
    let request = request(
        &node,
        "/ws?token=mallory",
        &[("authorization", "Bearer ann")],
        &[],
    );
    let mut client = Client::open(&node, request, Codec::Json).await.unwrap();
    assert_eq!(client.ready().await.user.as_str(), "ann");
}

#[tokio::test]
async fn a_bad_token_in_the_handshake_is_refused_in_http() {
    let node = Node::start().await;
    let long = format!("Bearer {}", "x".repeat(8 * 1024 + 1));
    for (target, header) in [
        ("/ws", Some("Bearer mallory")),
        ("/ws", Some("Bearer ")),
        ("/ws", Some("Bearer")),
        ("/ws", Some("Basic YW5uOmFubg==")),
        ("/ws", Some(long.as_str())),
        ("/ws?token=mallory", None),
        ("/ws?token=", None),
        ("/ws?token=ann&token=bob", None),
    ] {
        let headers: Vec<_> = header.iter().map(|value| ("authorization", *value)).collect();
        let refusal = Client::open(&node, request(&node, target, &headers, &[]), Codec::Json)
            .await
            .err()
            .unwrap();
        assert_eq!(
            (refusal.status, refusal.code.as_str()),
            (401, "unauthenticated"),
            "{target} {header:?}"
        );
        assert!(
            !refusal.message.contains("mallory"),
            "the token is not repeated: {}",
            refusal.message
        );
    }
    assert_eq!(node.connections("mallory"), 0);
}

#[tokio::test]
async fn a_bad_token_in_the_first_frame_ends_the_connection() {
    let node = Node::start().await;
    let mut client = Client::pending(&node, Codec::Json).await;
    client.send(3, "auth", json!({"token": "mallory"})).await;
    assert_eq!(
        client.reply(3).await.unwrap_err().code,
        ErrorCode::Unauthenticated
    );
    assert_eq!(client.close_code().await, 4200);
}

#[tokio::test]
async fn nothing_is_carried_out_before_authentication() {
    let node = Node::start().await;
    let mut client = Client::pending(&node, Codec::Json).await;
    client.send(1, "ping", json!({})).await;
    assert_eq!(
        client.reply(1).await.unwrap_err().code,
        ErrorCode::Unauthenticated
    );
    assert_eq!(client.close_code().await, 4200);

    let mut client = Client::pending(&node, Codec::Json).await;
    client.send_raw(Message::text("hello?")).await;
    assert_eq!(client.error_event().await.code, ErrorCode::Malformed);
    assert_eq!(client.close_code().await, 4202);
}

#[tokio::test]
async fn authentication_has_a_time_limit() {
    let settings = GatewaySettings {
        auth_timeout: Duration::from_millis(200),
        ..GatewaySettings::default()
    };
    let node = Node::with(settings, |_| {}).await;
    let asked = tokio::time::Instant::now();
    let mut client = Client::pending(&node, Codec::Json).await;
    // Signs of life do not put it off.
    client.send_raw(Message::Ping("".into())).await;
    assert_eq!(client.error_event().await.code, ErrorCode::Unauthenticated);
    assert_eq!(client.close_code().await, 4200);
    assert!(asked.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn places_for_pending_connections_are_bounded() {
    let settings = GatewaySettings {
        max_pending: 1,
        ..GatewaySettings::default()
    };
    let node = Node::with(settings, |_| {}).await;
    let mut first = Client::pending(&node, Codec::Json).await;
    let refusal = Client::open(&node, request(&node, "/ws", &[], &[]), Codec::Json)
        .await
        .err()
        .unwrap();
    assert_eq!((refusal.status, refusal.code.as_str()), (503, "unavailable"));
    // Those who bring a token are not held up, and authentication frees the place.
    Client::connect(&node, "bob").await;
    first.send(1, "auth", json!({"token": "ann"})).await;
    first.ready().await;
    Client::pending(&node, Codec::Json).await;
}

#[tokio::test]
async fn a_connection_is_authenticated_once() {
    let node = Node::start().await;
    let mut client = Client::connect(&node, "ann").await;
    client.send(1, "auth", json!({"token": "bob"})).await;
    assert_eq!(client.reply(1).await.unwrap_err().code, ErrorCode::Invalid);
    client.send(2, "ping", json!({})).await;
    client.reply(2).await.unwrap();
}

#[tokio::test]
async fn an_expired_token_ends_the_live_connection() {
    let node = Node::start().await;
    let expires_at = seconds_from_now(5);
    let mut client = Client::connect(&node, &format!("ann@{expires_at}")).await;
    client.send(1, "ping", json!({})).await;
    client.reply(1).await.unwrap();
    assert_eq!(client.close_code().await, 4201);
    assert!(seconds_from_now(0) >= expires_at, "not before its time");
    node.until_connections("ann", 0).await;
}
