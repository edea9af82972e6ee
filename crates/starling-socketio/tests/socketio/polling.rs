//! A polling client by hand: what comes with which poll.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::node::Node;

/// One poll or post, with a connection of its own.
pub(crate) async fn request(node: &Node, query: &str, body: Option<&str>) -> String {
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

/// What comes next, packets of the engine included. Its pings are answered: the first comes at once, and may be all that
/// the first poll gets.
pub(crate) async fn poll(node: &Node, query: &str) -> String {
    let response = timeout(Duration::from_secs(30), request(node, query, None))
        .await
        .expect("something is told");
    let (_, packets) = response.split_once("\r\n\r\n").expect("an answer");
    if packets.split('\x1e').any(|packet| packet == "2") {
        request(node, query, Some("3")).await;
    }
    packets.to_owned()
}

/// Polls up to what holds these words.
pub(crate) async fn poll_until(node: &Node, query: &str, words: &str) -> String {
    loop {
        let told = poll(node, query).await;
        if told.contains(words) {
            return told;
        }
    }
}

/// A polling client of ann's in a room: the query that names its session.
pub(crate) async fn joined(node: &Node, room: &str) -> String {
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
    poll_until(node, &query, "40{\"sid\"").await;
    let join = format!("42[\"join_room\",{{\"roomId\":\"{room}\"}}]");
    request(node, &query, Some(&join)).await;
    poll_until(node, &query, "room_users").await;
    query
}
