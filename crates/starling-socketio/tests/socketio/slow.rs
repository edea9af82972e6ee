//! Clients that do not read, or say too much.

use std::time::Duration;

use starling_protocol::{Command, ConversationId, Join, UserId};
use starling_socketio::{Rooms, SocketIoSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::node::{Node, Services};

/// One poll or post, with a connection of its own.
async fn request(node: &Node, query: &str, body: Option<&str>) -> String {
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let (method, body) = match body {
        Some(body) => ("POST", body),
        None => ("GET", ""),
    };
    let request = format!(
        "{method} /socket.io/?EIO=4&transport=polling{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

/// A polling client in a room, by hand: the query that names its session.
async fn joined(node: &Node) -> String {
    let open = request(node, "", None).await;
    let sid = open
        .split("\"sid\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let query = format!("&sid={sid}");
    request(node, &query, Some("40{\"token\":\"ann\"}")).await;
    let welcome = request(node, &query, None).await;
    assert!(welcome.contains("40{\"sid\""), "{welcome}");
    request(node, &query, Some("42[\"join_room\",{\"roomId\":\"slow\"}]")).await;
    let mut told = String::new();
    while !told.contains("room_users") {
        told += &timeout(Duration::from_secs(10), request(node, &query, None))
            .await
            .unwrap();
    }
    query
}

fn settings() -> SocketIoSettings {
    SocketIoSettings {
        rooms: Rooms::MadeOnJoin,
        outbox_bytes: 64 << 10,
        inbox_bytes: 16 << 10,
        write_timeout: Duration::from_secs(60),
        ..SocketIoSettings::default()
    }
}

async fn until_gone(node: &Node, query: &str) {
    let began = Instant::now();
    loop {
        let answer = request(node, query, Some("42[\"nothing\"]")).await;
        if answer.contains("Session ID unknown") {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{answer}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_let_go() {
    let node = Services::new().node_with(settings()).await;
    let query = joined(&node).await;
    let bob = UserId::new("bob").unwrap();
    let join = Command::Join(Join {
        conversation: ConversationId::new("slow").unwrap(),
    });
    node.engine.execute(&bob, join).await.unwrap();
    let text = "x".repeat(4_000);
    for number in 0..400 {
        node.send("bob", "slow", &format!("{number} {text}")[..100]).await;
    }
    until_gone(&node, &query).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_too_much_is_let_go() {
    let node = Services::new().node_with(settings()).await;
    let query = joined(&node).await;
    // More than may wait, in one go: nothing of it can be carried out in between.
    let packets: Vec<_> = (0..2_000)
        .map(|number| format!("42[\"send_message\",{{\"roomId\":\"slow\",\"message\":\"{number}\"}}]"))
        .collect();
    request(&node, &query, Some(&packets.join("\u{1e}"))).await;
    until_gone(&node, &query).await;
}
