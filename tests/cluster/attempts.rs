//! A message that its recipient's node was not told of is handed over by the next attempt.

use std::time::Duration;

use starling_client::{Client, Event};
use starling_cluster::Reply;
use starling_protocol::{Body, ConversationId, DeliveryStatus};
use tokio::time::{Instant, timeout};

use crate::stage::{Stage, eventually, user};

const SOON: Duration = Duration::from_secs(10);

async fn next_text(client: &Client, id: &ConversationId) -> String {
    let next = async {
        loop {
            if let Event::Entry(entry) = client.next_event().await.unwrap()
                && entry.conversation == *id
                && let Body::Message { text, .. } = &entry.body
            {
                return text.clone();
            }
        }
    };
    timeout(SOON, next).await.expect("a message that was waited for")
}

#[tokio::test]
async fn a_node_that_fell_off_the_route_is_told_by_the_first_attempt() {
    let stage = Stage::start("attempts").await;
    let (ann, bob) = (stage.client_at(0, "ann").await, stage.client_at(1, "bob").await);
    let id = ann.create_direct(user("bob")).await.unwrap().id;
    ann.send(&id, "first").await.unwrap();
    assert_eq!(next_text(&bob, &id).await, "first");

    let redis = stage.redis();
    let route = format!("route:{{{id}}}");
    let Reply::List(nodes) = redis.command(&["HVALS", "user:{bob}"]).await.unwrap() else {
        panic!("bob is in the session map");
    };
    let Some(Reply::Text(node)) = nodes.into_iter().next() else {
        panic!("bob is connected");
    };
    let removed = redis.command(&["SREM", &route, &node]).await.unwrap();
    assert!(matches!(removed, Reply::Integer(1)), "{removed:?}");
    let sent = Instant::now();
    let seq = ann.send(&id, "second").await.unwrap().seq;
    assert_eq!(next_text(&bob, &id).await, "second");
    println!("handed over after {:?}", sent.elapsed());

    // It was the attempt that did it: nothing else puts the node on the route again so soon, or counts.
    eventually(
        "the node is on the route again",
        Duration::from_secs(3),
        async || {
            let member = redis.command(&["SISMEMBER", &route, &node]).await.unwrap();
            matches!(member, Reply::Integer(1)).then_some(())
        },
    )
    .await;
    let metrics = reqwest::get(format!("{}/metrics", stage.node(0).url()))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        metrics.contains(r#"starling_delivery_attempts_total{attempt="1"}"#),
        "the first attempt is counted"
    );
    // The sender sees that it is delivered, and nobody got anything twice.
    eventually("delivered", SOON, async || {
        (ann.status(&id, seq).await.unwrap().status == DeliveryStatus::Delivered).then_some(())
    })
    .await;
    ann.send(&id, "third").await.unwrap();
    assert_eq!(next_text(&bob, &id).await, "third");
    assert_eq!(bob.stats().duplicates, 0);
}
