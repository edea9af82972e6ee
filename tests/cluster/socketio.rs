//! Socket.IO's own clients on a real cluster, through the front: polling included, which must find its node again.

use std::time::Duration;

use serde_json::json;
use starling_cluster::SocketIoClients;
use starling_protocol::ConversationId;

use crate::stage::{Stage, eventually};

/// Tokens of the scripts' users, for them to read.
fn tokens(stage: &Stage, users: &[&str]) -> String {
    let tokens = users
        .iter()
        .map(|user| ((*user).to_owned(), json!(stage.token(user).unwrap())));
    serde_json::Value::Object(tokens.collect()).to_string()
}

#[tokio::test]
async fn socketio_clients_are_served_through_the_front() {
    let stage = Stage::start("socketio").await;
    let clients = SocketIoClients::install().unwrap();
    let tokens = tokens(
        &stage,
        &["ann", "bob", "eve", "jane", "john", "jack", "reader", "writer"],
    );
    let ways = [
        ("websocket", "json"),
        ("polling", "json"),
        ("upgrade", "json"),
        ("polling", "msgpack"),
    ];
    for (transport, parser) in ways {
        for script in ["campzone.mjs", "chat_service.mjs", "order.mjs"] {
            println!("{script}: {transport}, {parser}");
            let room = format!("{script}-{transport}-{parser}");
            let env = [
                ("TRANSPORT", transport),
                ("PARSER", parser),
                ("TOKENS", &tokens),
                ("ROOM", &room),
            ];
            clients.run(script, &stage.front_url(), &env).await.unwrap();
        }
    }
}

/// The number of Socket.IO clients that a node has.
async fn clients_of(stage: &Stage, node: usize) -> Option<u64> {
    let url = format!("{}/metrics", stage.node(node).url());
    let metrics = reqwest::get(url).await.ok()?.text().await.ok()?;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("starling_socketio_connections "))?;
    line.split(' ').nth(1)?.parse().ok()
}

#[tokio::test]
async fn a_socketio_client_recovers_when_its_node_is_killed() {
    let stage = Stage::start("socketio-kill").await;
    let clients = SocketIoClients::install().unwrap();
    let tokens = tokens(&stage, &["ann"]);
    for (round, transport) in ["websocket", "polling"].into_iter().enumerate() {
        let room = format!("room-of-{transport}");
        let env = [("TRANSPORT", transport), ("TOKENS", &tokens), ("ROOM", &room)];
        let mut client = clients.start("recovery.mjs", &stage.front_url(), &env).unwrap();
        client.until("joined").await.unwrap();
        let mut its_node = None;
        for node in 0..3 {
            if clients_of(&stage, node).await.is_some_and(|count| count > 0) {
                its_node = Some(node);
            }
        }
        let its_node = its_node.expect("a node with a Socket.IO client");
        // A native client, on another node, in the same conversation.
        let bob = stage.client_at((its_node + 1) % 3, "bob").await;
        let room = ConversationId::new(&room).unwrap();
        bob.join(&room).await.unwrap();
        for number in 1..=10 {
            bob.send(&room, format!("{number}")).await.unwrap();
        }
        client.until("told 10").await.unwrap();
        stage.node(its_node).kill9().await.unwrap();
        for number in 11..=25 {
            bob.send(&room, format!("{number}")).await.unwrap();
        }
        assert_eq!(
            client.until("again").await.unwrap(),
            "again recovered=true",
            "round {round}"
        );
        for number in 26..=40 {
            bob.send(&room, format!("{number}")).await.unwrap();
        }
        client.succeed().await.unwrap();
        stage.node(its_node).start().await.unwrap();
        eventually("the node serves again", Duration::from_secs(30), async || {
            clients_of(&stage, its_node).await
        })
        .await;
    }
}
