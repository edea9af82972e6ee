//! Liveness, routes, pub/sub.

use std::time::Duration;

use bytes::Bytes;
use starling_core::ports::{AfterCommit, BusEvent, Commit, Incarnation};
use starling_protocol::ConversationId;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::support::{Node, connect, conversation, eventually};
use crate::Service;

pub async fn a_node_is_alive_until_it_is_retired(service: &dyn Service) {
    let node = Node::start(service).await;
    let (me, other) = (node.incarnation.clone(), Incarnation::fresh());
    let everyone = [other.clone(), me.clone(), other.clone()];
    assert_eq!(node.ports.alive(&everyone).await.unwrap(), [false, true, false]);
    assert_eq!(node.ports.alive(&[]).await.unwrap(), [false; 0]);
    assert!(node.ports.keep_alive(&me).await.unwrap());
    assert!(!node.ports.keep_alive(&other).await.unwrap(), "it never was");

    let next = Node::start(service).await;
    next.ports.retire(&me).await.unwrap();
    assert!(!node.ports.keep_alive(&me).await.unwrap(), "it has lapsed");
    assert_eq!(
        node.ports.alive(&everyone).await.unwrap(),
        [false; 3],
        "and stays so"
    );
    assert_eq!(node.ports.alive(&[next.incarnation]).await.unwrap(), [true]);
    node.ports.ping().await.unwrap();
}

async fn route(node: &Node, id: &ConversationId) -> Vec<Incarnation> {
    let commit = Commit {
        conversation: id.clone(),
        token: None,
        head: 1,
        then: AfterCommit::Release,
        payload: Bytes::new(),
        entries: Vec::new(),
        takes_back: false,
        own: node.incarnation.clone(),
        handover: Bytes::new(),
    };
    let mut route = node.ports.commit(commit.into()).await.unwrap().route;
    route.sort();
    route
}

pub async fn routes_hold_who_joined(service: &dyn Service) {
    let (a, b, id) = (
        Node::start(service).await,
        Node::start(service).await,
        conversation(),
    );
    assert_eq!(route(&a, &id).await, []);
    for node in [&b, &a, &b] {
        node.ports
            .join_routes(std::slice::from_ref(&id), &node.incarnation)
            .await
            .unwrap();
    }
    let mut both = [a.incarnation.clone(), b.incarnation.clone()];
    both.sort();
    assert_eq!(route(&a, &id).await, both);
    a.ports.leave_route(&id, &[]).await.unwrap();
    a.ports
        .leave_route(&id, &[b.incarnation.clone(), Incarnation::fresh()])
        .await
        .unwrap();
    assert_eq!(route(&a, &id).await, std::slice::from_ref(&a.incarnation));
    a.ports
        .leave_route(&id, std::slice::from_ref(&a.incarnation))
        .await
        .unwrap();
    assert_eq!(route(&a, &id).await, []);
}

pub async fn routes_are_read_in_the_order_asked(service: &dyn Service) {
    let (a, b) = (Node::start(service).await, Node::start(service).await);
    let ids: Vec<_> = (0..600).map(|_| conversation()).collect();
    a.ports.join_routes(&ids[..400], &a.incarnation).await.unwrap();
    b.ports.join_routes(&ids[200..500], &b.incarnation).await.unwrap();
    let routes = a.ports.routes(&ids).await.unwrap();
    assert_eq!(routes.len(), ids.len());
    for (place, mut route) in routes.into_iter().enumerate() {
        let mut expected: Vec<_> = [(0..400, &a), (200..500, &b)]
            .into_iter()
            .filter(|(joined, _)| joined.contains(&place))
            .map(|(_, node)| node.incarnation.clone())
            .collect();
        route.sort();
        expected.sort();
        assert_eq!(route, expected, "{place}");
    }
}

pub async fn payloads_reach_the_nodes_they_are_for(service: &dyn Service) {
    let (mut a, mut b, mut c) = (
        Node::start(service).await,
        Node::start(service).await,
        Node::start(service).await,
    );
    let gone = Incarnation::fresh();
    let binary = Bytes::from_static(b"\x00\xff\r\n$-1\r\n");
    let big = Bytes::from(vec![0xc3; 1 << 20]);
    let to = [b.incarnation.clone(), gone, c.incarnation.clone()];
    for payload in [&binary, &big, &Bytes::new()] {
        a.ports.publish(&to, payload.clone()).await.unwrap();
    }
    for node in [&mut b, &mut c] {
        for payload in [&binary, &big, &Bytes::new()] {
            assert_eq!(node.heard().await, BusEvent::Message(payload.clone()));
        }
    }
    // In the order in which they were published.
    for number in 0..500_u32 {
        a.ports
            .publish(&to, Bytes::copy_from_slice(&number.to_be_bytes()))
            .await
            .unwrap();
    }
    for number in 0..500_u32 {
        assert_eq!(b.payload().await, number.to_be_bytes().as_slice());
    }
    a.echo("to itself").await;
}

pub async fn a_new_incarnation_leaves_the_old_channel(service: &dyn Service) {
    let (mut node, sender) = (Node::start(service).await, connect(service).await);
    let old = node.incarnation.clone();
    let new = Incarnation::fresh();
    let (into, mut events) = mpsc::channel(8);
    node.ports.listen(&new, into).await.unwrap();
    assert_eq!(
        node.ports.alive(&[old.clone(), new.clone()]).await.unwrap(),
        [true, true],
        "the old one lapses by itself"
    );
    sender
        .publish(std::slice::from_ref(&old), Bytes::from_static(b"old"))
        .await
        .unwrap();
    sender.publish(&[new], Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(
        events.recv().await,
        Some(BusEvent::Message(Bytes::from_static(b"new")))
    );
    assert!(
        node.events.recv().await.is_none(),
        "the old listener is let go of"
    );
}

pub async fn a_full_listener_is_told_when_there_is_room(service: &dyn Service) {
    let (node, sender) = (Node::start(service).await, connect(service).await);
    let incarnation = Incarnation::fresh();
    let (into, mut events) = mpsc::channel(2);
    node.ports.listen(&incarnation, into).await.unwrap();
    let to = [incarnation];
    for payload in ["1", "2", "3", "4"] {
        sender
            .publish(&to, Bytes::from_static(payload.as_bytes()))
            .await
            .unwrap();
    }
    eventually("the listener is full", async || events.len() == 2).await;
    let mut heard = Vec::new();
    // All four are on their way; the other two are dropped, be it before or after the first are taken out.
    sender.publish(&to, Bytes::from_static(b"last")).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    while !matches!(heard.last(), Some(BusEvent::Missed { .. })) {
        heard.push(events.recv().await.unwrap());
    }
    let payloads = ["1", "2"].map(|payload| BusEvent::Message(Bytes::from_static(payload.as_bytes())));
    assert_eq!(heard[..2], payloads);
    assert_eq!(heard.len(), 3);
    sender.publish(&to, Bytes::from_static(b"5")).await.unwrap();
    assert_eq!(
        events.recv().await,
        Some(BusEvent::Message(Bytes::from_static(b"5"))),
        "it goes on"
    );
}
