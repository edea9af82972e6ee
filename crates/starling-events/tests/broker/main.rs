//! The sink against a real RabbitMQ, which the test starts itself.
#![allow(clippy::unwrap_used, reason = "a panic fails the test, and says where")]

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{
    BasicAckOptions, BasicGetOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, Connection, ConnectionProperties};
use starling_cluster::RabbitMq as Broker;
use starling_core::ports::{EventPage, EventSink, PublishError};
use starling_events::{RabbitMq, RabbitMqSettings};
use starling_protocol::{Body, Content, ConversationId, Entry, Seq, UserId};
use tokio::time::{Instant, sleep};

/// One broker for all cases: it takes seconds to start. Each has an exchange and queues of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_brought_into_safe_keeping() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start_alone(dir.path()).await.unwrap();
    the_queue_gets_messages_and_the_exchange_everything(&broker).await;
    a_queue_that_was_made_otherwise_is_used(&broker).await;
    a_queue_that_was_deleted_swallows_nothing(&broker).await;
    an_exchange_of_another_kind_is_a_failure(&broker).await;
    a_broker_that_is_killed_loses_nothing(&broker).await;
    a_broker_that_hangs_is_away(&broker).await;
}

fn sink(broker: &Broker, name: &str) -> RabbitMq {
    let settings = RabbitMqSettings {
        exchange: format!("{name}.events"),
        queue: Some(format!("{name}.messages")),
        connection_name: format!("test of {name}"),
    };
    RabbitMq::new(&broker.url(), settings).unwrap()
}

/// Messages, and with every tenth a member who joins.
fn page(from: Seq, to: Seq) -> EventPage {
    let entry = |seq: Seq| {
        let body = if seq.is_multiple_of(10) {
            Body::Joined {
                users: vec![UserId::new("bob").unwrap()],
                role: starling_protocol::Role::Member,
                invite: None,
            }
        } else {
            Body::Message(Content::text(format!("text {seq}")))
        };
        Arc::new(Entry {
            conversation: ConversationId::new("room").unwrap(),
            seq,
            sender: Some(UserId::new("ann").unwrap()),
            client_id: None,
            lamport: seq,
            at: 1_728_887_400_000,
            messages: seq,
            membership: 1,
            body,
            state: None,
        })
    };
    EventPage {
        entries: (from..=to).map(entry).collect(),
        pair: Vec::new(),
    }
}

async fn accepted(sink: &RabbitMq, from: Seq, to: Seq) {
    let published = sink.publish(&page(from, to)).await;
    let all = (to + 1 - from) as usize;
    assert_eq!((published.accepted, published.failure), (all, None));
}

/// Publishes until it is accepted, as the engine does.
async fn accepted_at_last(sink: &RabbitMq, from: Seq, to: Seq) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Some(failure) = sink.publish(&page(from, to)).await.failure {
        assert!(Instant::now() < deadline, "{failure}");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn consumer(broker: &Broker) -> Channel {
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default())
        .await
        .unwrap();
    connection.create_channel().await.unwrap()
}

/// All that is in a queue: ids and types.
async fn drained(channel: &Channel, queue: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some(got) = channel
        .basic_get(queue.into(), BasicGetOptions::default())
        .await
        .unwrap()
    {
        let properties = &got.delivery.properties;
        assert_eq!(*properties.delivery_mode(), Some(2), "persistent");
        let said: serde_json::Value = serde_json::from_slice(&got.delivery.data).unwrap();
        let id = properties.message_id().as_ref().unwrap().to_string();
        let kind = got.delivery.routing_key.to_string();
        assert_eq!(
            (said["id"].as_str(), said["eventType"].as_str()),
            (Some(&*id), Some(&*kind))
        );
        let seq = properties.headers().as_ref().unwrap().inner().get("seq").cloned();
        let expected = id.rsplit_once(':').unwrap().1.parse().unwrap();
        assert_eq!(seq, Some(AMQPValue::LongLongInt(expected)));
        found.push((id, kind));
        got.delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
    found
}

fn messages(from: Seq, to: Seq) -> Vec<(String, String)> {
    let seqs = (from..=to).filter(|seq| seq % 10 != 0);
    seqs.map(|seq| (format!("room:{seq}"), "message.sent".to_owned()))
        .collect()
}

async fn the_queue_gets_messages_and_the_exchange_everything(broker: &Broker) {
    let sink = sink(broker, "plain");
    accepted(&sink, 1, 1).await;
    let channel = consumer(broker).await;
    let options = QueueDeclareOptions::durable();
    channel
        .queue_declare("plain.all".into(), options, FieldTable::default())
        .await
        .unwrap();
    channel
        .queue_bind(
            "plain.all".into(),
            "plain.events".into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    accepted(&sink, 2, 100).await;
    assert_eq!(
        drained(&channel, "plain.messages").await,
        messages(1, 100),
        "in order"
    );
    let all = drained(&channel, "plain.all").await;
    assert_eq!(all.len(), 99);
    assert_eq!(all[8], ("room:10".into(), "member.joined".into()));
}

async fn a_queue_that_was_made_otherwise_is_used(broker: &Broker) {
    let channel = consumer(broker).await;
    let mut arguments = FieldTable::default();
    let lazy = AMQPValue::LongString(LongString::from("lazy"));
    arguments.insert("x-queue-mode".into(), lazy);
    channel
        .queue_declare("odd.messages".into(), QueueDeclareOptions::durable(), arguments)
        .await
        .unwrap();
    accepted(&sink(broker, "odd"), 1, 20).await;
    assert_eq!(drained(&channel, "odd.messages").await, messages(1, 20));
}

async fn a_queue_that_was_deleted_swallows_nothing(broker: &Broker) {
    let (sink, channel) = (sink(broker, "gone"), consumer(broker).await);
    accepted(&sink, 1, 5).await;
    channel
        .queue_delete("gone.messages".into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    let published = sink.publish(&page(6, 9)).await;
    assert_eq!(published.accepted, 0);
    assert!(matches!(published.failure, Some(PublishError::Away(_))));
    // The next time it is made again.
    accepted_at_last(&sink, 6, 9).await;
    assert_eq!(drained(&channel, "gone.messages").await, messages(6, 9));
}

async fn an_exchange_of_another_kind_is_a_failure(broker: &Broker) {
    let settings = RabbitMqSettings {
        exchange: "amq.direct".into(),
        queue: None,
        connection_name: "test".into(),
    };
    let sink = RabbitMq::new(&broker.url(), settings).unwrap();
    let failure = sink.publish(&page(1, 1)).await.failure.unwrap();
    assert!(failure.to_string().contains("PRECONDITION"), "{failure}");
}

async fn a_broker_that_is_killed_loses_nothing(broker: &Broker) {
    let sink = sink(broker, "killed");
    accepted(&sink, 1, 50).await;
    broker.kill9().await.unwrap();
    let (began, published) = (Instant::now(), sink.publish(&page(51, 60)).await);
    assert!(matches!(published.failure, Some(PublishError::Away(_))));
    assert!(began.elapsed() < Duration::from_secs(10));
    broker.start().await.unwrap();
    accepted_at_last(&sink, 51, 60).await;
    let found = drained(&consumer(broker).await, "killed.messages").await;
    assert_eq!(found, messages(1, 60));
}

async fn a_broker_that_hangs_is_away(broker: &Broker) {
    let sink = sink(broker, "hangs");
    accepted(&sink, 1, 5).await;
    broker.pause().unwrap();
    let (began, published) = (Instant::now(), sink.publish(&page(6, 9)).await);
    assert!(
        matches!(published.failure, Some(PublishError::Away(_))),
        "{published:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    broker.resume().unwrap();
    accepted_at_last(&sink, 6, 9).await;
    let found = drained(&consumer(broker).await, "hangs.messages").await;
    let mut firsts = Vec::new();
    for event in found {
        if !firsts.contains(&event) {
            firsts.push(event);
        }
    }
    assert_eq!(firsts, messages(1, 9), "what was under way may be there twice");
}
