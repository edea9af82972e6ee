//! The queue of conversations that a sink is to be told of.

use std::time::Duration;

use starling_core::ports::{EventQueue, Incarnation, LeaseToken};
use starling_protocol::ConversationId;
use tokio::time::{Instant, sleep};

use super::support::{connect, conversation, eventually};
use crate::{CoordinationPorts, Service};

const LONG: Duration = Duration::from_secs(60);

/// A sink that no other case uses.
fn sink() -> &'static str {
    format!("s{}", Incarnation::fresh()).leak()
}

fn claim(number: u64) -> LeaseToken {
    LeaseToken {
        incarnation: Incarnation::from_wire("node"),
        claim: number,
    }
}

async fn take(
    ports: &dyn CoordinationPorts,
    sink: &'static str,
    by: u64,
    time: Duration,
) -> Vec<ConversationId> {
    let taken = EventQueue::take(ports, sink, &claim(by), 10, time).await;
    taken.unwrap().conversations
}

/// The only one is due once that time is over, and not before.
async fn is_due_after(
    ports: &dyn CoordinationPorts,
    sink: &'static str,
    by: u64,
    since: Instant,
    time: Duration,
) {
    let mut taken = Vec::new();
    eventually("it is due", async || {
        taken = take(ports, sink, by, LONG).await;
        !taken.is_empty()
    })
    .await;
    assert_eq!(taken.len(), 1);
    assert!(since.elapsed() >= time, "{:?}", since.elapsed());
}

pub async fn one_at_a_time_has_a_conversation(service: &dyn Service) {
    let (ports, sink) = (connect(service).await, sink());
    let [a, b] = [conversation(), conversation()];
    assert!(take(&*ports, sink, 1, LONG).await.is_empty());
    EventQueue::put(&*ports, sink, std::slice::from_ref(&a))
        .await
        .unwrap();
    sleep(Duration::from_millis(5)).await;
    EventQueue::put(&*ports, sink, &[a.clone(), b.clone()])
        .await
        .unwrap();
    let first = EventQueue::take(&*ports, sink, &claim(1), 1, LONG).await.unwrap();
    assert_eq!(
        (first.conversations, first.waiting),
        (vec![a.clone()], 2),
        "the longest due"
    );
    assert_eq!(take(&*ports, sink, 2, LONG).await, std::slice::from_ref(&b));
    assert!(take(&*ports, sink, 3, LONG).await.is_empty());
    // Another one's is left alone.
    EventQueue::give_back(&*ports, sink, &claim(2), &[(a.clone(), Some(Duration::ZERO))])
        .await
        .unwrap();
    assert!(take(&*ports, sink, 3, LONG).await.is_empty());
    EventQueue::give_back(&*ports, sink, &claim(1), &[(a.clone(), None)])
        .await
        .unwrap();
    assert_eq!(
        EventQueue::take(&*ports, sink, &claim(3), 10, LONG)
            .await
            .unwrap()
            .waiting,
        1
    );
    EventQueue::put(&*ports, sink, std::slice::from_ref(&a))
        .await
        .unwrap();
    assert_eq!(
        take(&*ports, sink, 3, LONG).await,
        [a],
        "what was done with comes anew"
    );
}

pub async fn what_is_put_in_while_it_is_taken_is_due_again(service: &dyn Service) {
    let (ports, sink, id) = (connect(service).await, sink(), conversation());
    EventQueue::put(&*ports, sink, std::slice::from_ref(&id))
        .await
        .unwrap();
    take(&*ports, sink, 1, LONG).await;
    for _ in 0..2 {
        EventQueue::put(&*ports, sink, std::slice::from_ref(&id))
            .await
            .unwrap();
    }
    assert!(take(&*ports, sink, 2, LONG).await.is_empty());
    EventQueue::give_back(&*ports, sink, &claim(1), &[(id.clone(), None)])
        .await
        .unwrap();
    assert_eq!(take(&*ports, sink, 2, LONG).await, std::slice::from_ref(&id));
    EventQueue::give_back(&*ports, sink, &claim(2), &[(id, None)])
        .await
        .unwrap();
    assert_eq!(
        EventQueue::take(&*ports, sink, &claim(3), 10, LONG)
            .await
            .unwrap()
            .waiting,
        0
    );
}

pub async fn what_is_not_given_back_is_due_when_its_time_is_over(service: &dyn Service) {
    let (ports, sink, id) = (connect(service).await, sink(), conversation());
    EventQueue::put(&*ports, sink, std::slice::from_ref(&id))
        .await
        .unwrap();
    let (taken, time) = (Instant::now(), Duration::from_millis(200));
    assert_eq!(take(&*ports, sink, 1, time).await.len(), 1);
    is_due_after(&*ports, sink, 2, taken, time).await;
    // The first one comes back late.
    EventQueue::give_back(&*ports, sink, &claim(1), &[(id.clone(), None)])
        .await
        .unwrap();
    EventQueue::put(&*ports, sink, std::slice::from_ref(&id))
        .await
        .unwrap();
    assert!(
        take(&*ports, sink, 3, LONG).await.is_empty(),
        "it is the second one's"
    );
    EventQueue::give_back(&*ports, sink, &claim(2), &[(id, None)])
        .await
        .unwrap();
    assert_eq!(take(&*ports, sink, 3, LONG).await.len(), 1);
}

pub async fn what_is_due_later_stays_so(service: &dyn Service) {
    let (ports, sink, id) = (connect(service).await, sink(), conversation());
    EventQueue::put(&*ports, sink, std::slice::from_ref(&id))
        .await
        .unwrap();
    take(&*ports, sink, 1, LONG).await;
    let (given_back, later) = (Instant::now(), Duration::from_millis(200));
    EventQueue::give_back(&*ports, sink, &claim(1), &[(id.clone(), Some(later))])
        .await
        .unwrap();
    EventQueue::put(&*ports, sink, &[id]).await.unwrap();
    is_due_after(&*ports, sink, 1, given_back, later).await;
}
