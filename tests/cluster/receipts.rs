//! Marks and receipts across nodes, a resume, and the death of a node.

use std::time::Duration;

use serde_json::Value;
use starling_client::{Client, Event};
use starling_protocol::{ConversationId, DeliveryStatus, List, ListReceipts, ReceiptsChange};

use crate::stage::{Stage, eventually, user};

const SOON: Duration = Duration::from_secs(30);

/// The next receipts of a conversation that fulfil a wish.
async fn told(
    client: &Client,
    id: &ConversationId,
    wish: impl Fn(&ReceiptsChange) -> bool,
) -> ReceiptsChange {
    let next = async {
        loop {
            if let Event::Receipts(change) = client.next_event().await.unwrap()
                && change.conversation == *id
                && wish(&change)
            {
                return change;
            }
        }
    };
    tokio::time::timeout(SOON, next)
        .await
        .expect("the receipts that were waited for")
}

/// Waits until a client is told of what happens in a conversation.
async fn has_its_stream(client: &Client, id: &ConversationId) {
    let entry = async {
        while !matches!(client.next_event().await.unwrap(), Event::Entry(entry) if entry.conversation == *id)
        {
        }
    };
    tokio::time::timeout(SOON, entry)
        .await
        .expect("the stream begins");
}

async fn unread(client: &Client, id: &ConversationId) -> u64 {
    let page = client.list(List::default()).await.unwrap();
    let listed = page.conversations.into_iter().find(|listed| listed.id == *id);
    listed.unwrap().unread
}

#[tokio::test]
async fn a_message_goes_from_pending_to_read_across_nodes_and_survives_a_node() {
    let stage = Stage::start("receipts").await;
    let (ann, bob, eve) = (
        stage.client_at(0, "ann").await,
        stage.client_at(1, "bob").await,
        stage.client_at(2, "eve").await,
    );
    let id = ann
        .create_group(vec![user("bob"), user("eve"), user("zoe")])
        .await
        .unwrap()
        .id;
    for client in [&bob, &eve] {
        has_its_stream(client, &id).await;
    }
    let seq = ann.send(&id, "hello").await.unwrap().seq;
    // Eve's client marks what its application takes; zoe is away.
    tokio::join!(
        told(&eve, &id, |change| change
            .members
            .iter()
            .any(|member| member.user == user("ann") && member.read == seq)),
        async { bob.read(&id, seq).await.unwrap() },
    );
    let pending = ann.status(&id, seq).await.unwrap();
    assert_eq!(
        (pending.status, pending.pending.contains(&user("zoe"))),
        (DeliveryStatus::Pending, true)
    );

    let zoe = stage.client_at(1, "zoe").await;
    zoe.delivered(&id, seq).await.unwrap();
    eve.delivered(&id, seq).await.unwrap();
    told(&ann, &id, |change| change.delivered == seq).await;
    assert_eq!(
        ann.status(&id, seq).await.unwrap().status,
        DeliveryStatus::Delivered
    );
    zoe.read(&id, seq).await.unwrap();
    eve.read(&id, seq).await.unwrap();
    let last = told(&ann, &id, |change| change.read == seq).await;
    assert_eq!(last.delivered, seq);
    assert_eq!(ann.status(&id, seq).await.unwrap().status, DeliveryStatus::Read);

    // What others were told of is stored: the death of a node does not take it back, nor does a lost Redis.
    stage.redis().flush_all().await.unwrap();
    stage.node(2).kill9().await.unwrap();
    let again = stage.client_at(0, "eve").await;
    let page = again
        .receipts(ListReceipts {
            conversation: id.clone(),
            after: None,
            limit: None,
        })
        .await
        .unwrap();
    assert_eq!(page.members.len(), 4);
    assert!(
        page.members
            .iter()
            .all(|member| (member.delivered, member.read) == (seq, seq)),
        "{page:?}"
    );
    assert_eq!(unread(&again, &id).await, 0);

    // A device that resumes elsewhere hears of what is read from then on.
    let second = bob.send(&id, "and you?").await.unwrap().seq;
    assert_eq!(unread(&again, &id).await, 1);
    again.read(&id, second).await.unwrap();
    told(&ann, &id, |change| {
        change
            .members
            .iter()
            .any(|member| member.user == user("eve") && member.read == second)
    })
    .await;

    let http = reqwest::Client::new();
    let url = format!(
        "{}/v1/conversations/{id}/entries/{second}/receipts",
        stage.node(1).url()
    );
    let token = stage.token("zoe").unwrap();
    eventually("zoe has not read it", SOON, async || {
        let answer = http.get(&url).bearer_auth(&token).send().await.unwrap();
        let status: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let read = status["read"].as_array()?.contains(&Value::from("eve"));
        (read && status["status"] != "read").then_some(())
    })
    .await;
}
