//! A broker is told what is stored, whatever dies meanwhile.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, Consumer};
use serde_json::Value;
use starling_cluster::RabbitMq;
use starling_protocol::ConversationId;
use tokio::time::{Instant, sleep, timeout};

use crate::load::Load;
use crate::stage::{Stage, user};

const QUEUE: &str = "new_message";

async fn consume(broker: &RabbitMq, queue: &str) -> (Connection, Consumer) {
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    let consumer = channel
        .basic_consume(queue.into(), "test".into(), options, FieldTable::default())
        .await
        .unwrap();
    (connection, consumer)
}

async fn next(consumer: &mut Consumer) -> Option<Value> {
    let delivery = timeout(Duration::from_secs(90), consumer.next())
        .await
        .ok()??
        .unwrap();
    Some(serde_json::from_slice(&delivery.data).unwrap())
}

/// The broker stands still for ten seconds, is killed, and starts again; a node is killed, and starts again.
#[tokio::test]
async fn every_stored_message_is_told_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let broker = RabbitMq::start_alone(dir.path()).await.unwrap();
    let stage = Stage::start_with("events", |config| {
        config
            .with_env("STARLING_SENDS_PER_SECOND", 0)
            .with_env("RABBITMQ_URL", broker.url())
            .with_env("RABBITMQ_QUEUE_NEW_MESSAGE", QUEUE)
    })
    .await;
    let load = Load::prepare(&stage, 20).await;
    let time = Duration::from_secs(24);
    load.run(&stage, 200, time, async {
        sleep(Duration::from_secs(2)).await;
        broker.pause().unwrap();
        sleep(Duration::from_secs(5)).await;
        stage.node(1).kill9().await.unwrap();
        sleep(Duration::from_secs(5)).await;
        broker.resume().unwrap();
        stage.node(1).start().await.unwrap();
        sleep(Duration::from_secs(2)).await;
        broker.kill9().await.unwrap();
        broker.start().await.unwrap();
    })
    .await;

    let mut missing: HashMap<String, Value> = HashMap::new();
    for id in load.conversations() {
        for stored in stage.stored(id).await {
            if let Ok(message) = stored.get_document("body").unwrap().get_document("message") {
                let event = serde_json::json!({
                    "messageId": format!("{id}:{}", stored.get_i64("seq").unwrap()),
                    "senderId": stored.get_str("sender").unwrap(),
                    "message": message.get_str("text").unwrap(),
                    "sequenceNumber": stored.get_i64("messages").unwrap(),
                });
                missing.insert(event["messageId"].as_str().unwrap().to_owned(), event);
            }
        }
    }
    let (all, began) = (missing.clone(), Instant::now());
    let (_connection, mut consumer) = consume(&broker, QUEUE).await;
    let (mut last, mut repeated) = (HashMap::<String, i64>::new(), 0);
    while !missing.is_empty() {
        let Some(event) = next(&mut consumer).await else {
            panic!(
                "{} of {} messages are not told: {missing:?}",
                missing.len(),
                all.len()
            );
        };
        assert_eq!(event["eventType"], "message.sent");
        let data = &event["data"];
        let id = data["messageId"].as_str().unwrap();
        let stored = all
            .get(id)
            .unwrap_or_else(|| panic!("told and not stored: {event}"));
        for (name, value) in stored.as_object().unwrap() {
            assert_eq!(&data[name], value, "{id}");
        }
        if missing.remove(id).is_some() {
            let (room, seq) = (data["roomId"].as_str().unwrap(), data["seq"].as_i64().unwrap());
            let before = last.insert(room.to_owned(), seq).unwrap_or(0);
            assert!(
                before < seq,
                "{room}: {seq} is told for the first time after {before}"
            );
        } else {
            repeated += 1;
        }
    }
    println!(
        "{} messages told, {repeated} of them again, the last {:.1?} after the load was checked",
        all.len(),
        began.elapsed()
    );
}

/// What is not a message goes to the exchange, for whoever wants it.
#[tokio::test]
async fn whoever_wants_hears_of_members_too() {
    let dir = tempfile::tempdir().unwrap();
    let broker = RabbitMq::start_alone(dir.path()).await.unwrap();
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    let stage = Stage::start_with("events-topic", |config| {
        config.with_env("STARLING_RABBITMQ_URL", broker.url())
    })
    .await;
    let ann = stage.client_at(0, "ann").await;
    let first = ann.create_group(vec![user("bob")]).await.unwrap().id;
    // The exchange is there once something was told.
    let bound = crate::stage::eventually("the exchange is there", Duration::from_secs(60), async || {
        let channel = connection.create_channel().await.unwrap();
        channel
            .queue_declare(
                "all".into(),
                QueueDeclareOptions::durable(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        channel
            .queue_bind(
                "all".into(),
                "starling.events".into(),
                "#".into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .ok()
    });
    bound.await;
    channel.close(200, "done".into()).await.unwrap();
    let (_consuming, mut consumer) = consume(&broker, "all").await;
    let second: ConversationId = ann.create_group(vec![user("bob")]).await.unwrap().id;
    let sent = ann.send(&second, "hello").await.unwrap();
    let bob = stage.client_at(1, "bob").await;
    bob.leave(&second).await.unwrap();
    let mut told = Vec::new();
    let mut seen = HashSet::new();
    while told.len() < 3 {
        let event = next(&mut consumer).await.unwrap();
        if event["data"]["roomId"] == second.as_str() && seen.insert(event["id"].to_string()) {
            told.push(event["eventType"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(told, ["conversation.created", "message.sent", "member.left"]);
    assert_ne!(first, second);
    assert_eq!(sent.seq, 2);
}
