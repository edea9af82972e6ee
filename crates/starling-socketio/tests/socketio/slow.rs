//! Clients that do not read, or say too much.

use std::time::Duration;

use starling_protocol::{Command, ConversationId, Join, UserId};
use starling_socketio::{Rooms, SocketIoSettings};
use tokio::time::{Instant, sleep};

use crate::node::{Node, Services};
use crate::polling::{joined, request};

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
    let query = joined(&node, "slow").await;
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
    let query = joined(&node, "slow").await;
    // More than may wait, in one go: nothing of it can be carried out in between.
    let packets: Vec<_> = (0..2_000)
        .map(|number| format!("42[\"send_message\",{{\"roomId\":\"slow\",\"message\":\"{number}\"}}]"))
        .collect();
    request(&node, &query, Some(&packets.join("\u{1e}"))).await;
    until_gone(&node, &query).await;
}
