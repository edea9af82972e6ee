//! A message that a member has not confirmed: further attempts after 1, 5 and 15 seconds, then his queue.

use std::time::Duration;

use starling_client::{Client, Event};
use starling_cluster::Reply;
use starling_protocol::{ConversationId, DeliveryStatus, Seq};
use tokio::time::{Instant, timeout};

use crate::stage::{Stage, eventually, user};

/// The last attempt comes after 15 s; the rest is for a busy machine.
const ALL_ATTEMPTS: Duration = Duration::from_secs(90);
const SOON: Duration = Duration::from_secs(30);

async fn attempts(stage: &Stage) -> [u64; 3] {
    let mut counts = [0; 3];
    for (count, number) in counts.iter_mut().zip(1..) {
        let name = format!("starling_delivery_attempts_total{{attempt=\"{number}\"}}");
        for node in 0..3 {
            *count += stage.metric(node, &name).await;
        }
    }
    counts
}

async fn waiting(stage: &Stage, name: &str, id: &ConversationId) -> Option<String> {
    let key = format!("queue:{{{name}}}");
    match stage.redis().command(&["HGET", &key, id.as_str()]).await.unwrap() {
        Reply::Text(seq) => Some(seq),
        _ => None,
    }
}

/// The entries of a conversation that come until this one has.
async fn until(client: &Client, id: &ConversationId, last: Seq) -> Vec<Seq> {
    let mut seqs = Vec::new();
    let all = async {
        while seqs.last() != Some(&last) {
            if let Event::Entry(entry) = client.next_event().await.unwrap()
                && entry.conversation == *id
            {
                seqs.push(entry.seq);
            }
        }
    };
    timeout(SOON, all).await.expect("the entry comes");
    seqs
}

#[tokio::test]
async fn what_is_not_confirmed_is_tried_three_times_and_then_waits() {
    let stage = Stage::start("attempts").await;
    let ann = stage.client_at(0, "ann").await;
    // Its first entry is not confirmed by them either, and attempts for both go together.
    let began = Instant::now();
    let id = ann.create_group(vec![user("bob"), user("eve")]).await.unwrap().id;
    // Eve confirms what she gets; bob never does.
    let eve = stage.client_at(2, "eve").await;
    let bob = Client::builder([stage.node(1).ws_url()])
        .token(stage.token("bob").unwrap())
        .without_delivered_marks()
        .connect()
        .await
        .unwrap();
    bob.live().await.unwrap();
    let readers = async {
        tokio::join!(async { while eve.next_event().await.is_ok() {} }, async {
            while ann.next_event().await.is_ok() {}
        })
    };
    let play = async {
        // Bob's node is not told: what it follows is forgotten, as by a Redis that has lost it.
        let route = format!("route:{{{id}}}");
        stage.redis().command(&["DEL", &route]).await.unwrap();
        let seq = ann.send(&id, "are you there?").await.unwrap().seq;
        assert_eq!(until(&bob, &id, seq).await.last(), Some(&seq));
        println!("handed over after {:?}", began.elapsed());

        eventually("three attempts, and then it waits", ALL_ATTEMPTS, async || {
            let counts = attempts(&stage).await;
            let waits = waiting(&stage, "bob", &id).await;
            (counts.iter().all(|count| *count > 0) && waits.is_some()).then_some(())
        })
        .await;
        let elapsed = began.elapsed();
        println!("given up after {elapsed:?}");
        assert!(
            elapsed > Duration::from_secs(14),
            "the last attempt is not before its time"
        );
        let status = ann.status(&id, seq).await.unwrap();
        assert_eq!(status.status, DeliveryStatus::Pending);
        assert_eq!(status.pending, [user("bob")], "eve has confirmed it");
        assert_eq!(waiting(&stage, "eve", &id).await, None);

        // He had it once, whatever was tried.
        let last = ann.send(&id, "and now?").await.unwrap().seq;
        assert_eq!(until(&bob, &id, last).await, [last]);
        bob.delivered(&id, last).await.unwrap();
        eventually("nothing waits any more", SOON, async || {
            let status = ann.status(&id, last).await.unwrap().status;
            let waits = waiting(&stage, "bob", &id).await;
            (waits.is_none() && status == DeliveryStatus::Delivered).then_some(())
        })
        .await;
    };
    tokio::select! {
        _ = readers => panic!("a client has ended"),
        () = play => {}
    }
}
