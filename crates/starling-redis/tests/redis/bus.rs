//! Liveness, routes, pub/sub.

use std::time::Duration;

use bytes::Bytes;
use starling_core::ports::{AfterCommit, Bus, BusEvent, Commit, Incarnation, Leases};
use starling_protocol::ConversationId;
use starling_redis::RedisSettings;
use tokio::sync::mpsc;

use crate::server::Deployment;
use crate::support::{Node, connect, conversation, eventually, on_both};

on_both! {
    a_node_is_alive_until_it_lapses,
    routes_hold_who_joined,
    many_routes_are_joined_at_once,
    payloads_reach_the_nodes_they_are_for,
    what_is_announced_reaches_the_route,
    a_new_incarnation_leaves_the_old_channel,
    a_full_listener_is_told_when_there_is_room,
    a_restarted_listener_hears_again,
}

async fn a_node_is_alive_until_it_lapses(deployment: &Deployment) {
    let node = Node::start(deployment).await;
    let (me, other) = (node.incarnation.clone(), Incarnation::fresh());
    let everyone = [other.clone(), me.clone(), other.clone()];
    assert_eq!(node.redis.alive(&everyone).await.unwrap(), [false, true, false]);
    assert_eq!(node.redis.alive(&[]).await.unwrap(), [false; 0]);

    let key = format!("alive:{{{me}}}");
    deployment.cli(&["PEXPIRE", &key, "5000"]);
    assert!(node.redis.keep_alive(&me).await.unwrap());
    let ttl: u64 = deployment.cli(&["PTTL", &key]).parse().unwrap();
    assert!((5001..=10_000).contains(&ttl), "{ttl}");

    deployment.cli(&["DEL", &key]);
    assert!(!node.redis.keep_alive(&me).await.unwrap(), "it has lapsed");
    assert_eq!(
        node.redis.alive(&everyone).await.unwrap(),
        [false; 3],
        "and stays so"
    );
    assert!(!node.redis.keep_alive(&other).await.unwrap());

    let next = Node::start(deployment).await;
    next.redis.retire(&next.incarnation).await.unwrap();
    assert_eq!(node.redis.alive(&[next.incarnation]).await.unwrap(), [false]);
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
    let mut route = node.redis.commit(commit.into()).await.unwrap().route;
    route.sort();
    route
}

async fn routes_hold_who_joined(deployment: &Deployment) {
    let (a, b, id) = (
        Node::start(deployment).await,
        Node::start(deployment).await,
        conversation(),
    );
    assert_eq!(route(&a, &id).await, []);
    for node in [&b, &a, &b] {
        node.redis
            .join_routes(std::slice::from_ref(&id), &node.incarnation)
            .await
            .unwrap();
    }
    let mut both = [a.incarnation.clone(), b.incarnation.clone()];
    both.sort();
    assert_eq!(route(&a, &id).await, both);
    let ttl: u64 = deployment
        .cli(&["TTL", &format!("route:{{{id}}}")])
        .parse()
        .unwrap();
    assert!((86_300..=86_400).contains(&ttl), "{ttl}");

    a.redis.leave_route(&id, &[]).await.unwrap();
    a.redis
        .leave_route(&id, &[b.incarnation.clone(), Incarnation::fresh()])
        .await
        .unwrap();
    assert_eq!(route(&a, &id).await, std::slice::from_ref(&a.incarnation));
    a.redis
        .leave_route(&id, std::slice::from_ref(&a.incarnation))
        .await
        .unwrap();
    assert_eq!(route(&a, &id).await, []);
}

async fn many_routes_are_joined_at_once(deployment: &Deployment) {
    let node = Node::start(deployment).await;
    let ids: Vec<_> = (0..2000).map(|_| conversation()).collect();
    node.redis.join_routes(&ids, &node.incarnation).await.unwrap();
    for id in [&ids[0], &ids[999], &ids[1999]] {
        assert_eq!(route(&node, id).await, std::slice::from_ref(&node.incarnation));
    }
}

async fn what_is_announced_reaches_the_route(deployment: &Deployment) {
    let (mut a, mut b, mut c) = (
        Node::start(deployment).await,
        Node::start(deployment).await,
        Node::start(deployment).await,
    );
    let id = conversation();
    for node in [&a, &b] {
        let ids = std::slice::from_ref(&id);
        node.redis.join_routes(ids, &node.incarnation).await.unwrap();
    }
    let payload = Bytes::from_static(b"\x00\xffnews");
    a.redis
        .announce(&id, payload.clone(), &a.incarnation)
        .await
        .unwrap();
    assert_eq!(b.payload().await, payload);
    // Neither its own node nor one that is not on the route has heard it.
    for node in [&mut a, &mut c] {
        let end = Bytes::from_static(b"end");
        let own = [node.incarnation.clone()];
        node.redis.publish(&own, end.clone()).await.unwrap();
        assert_eq!(node.payload().await, end);
    }
    // Nobody is there: nothing happens.
    let nobody = conversation();
    a.redis.announce(&nobody, payload, &a.incarnation).await.unwrap();
}

async fn payloads_reach_the_nodes_they_are_for(deployment: &Deployment) {
    let (mut a, mut b, mut c) = (
        Node::start(deployment).await,
        Node::start(deployment).await,
        Node::start(deployment).await,
    );
    let gone = Incarnation::fresh();
    let binary = Bytes::from_static(b"\x00\xff\r\n$-1\r\n");
    let big = Bytes::from(vec![0xc3; 1 << 20]);
    let to = [b.incarnation.clone(), gone, c.incarnation.clone()];
    for payload in [&binary, &big, &Bytes::new()] {
        a.redis.publish(&to, payload.clone()).await.unwrap();
    }
    for node in [&mut b, &mut c] {
        for payload in [&binary, &big, &Bytes::new()] {
            assert_eq!(node.heard().await, BusEvent::Message(payload.clone()));
        }
    }
    // In the order in which they were published.
    for number in 0..500_u32 {
        a.redis
            .publish(&to, Bytes::copy_from_slice(&number.to_be_bytes()))
            .await
            .unwrap();
    }
    for number in 0..500_u32 {
        assert_eq!(b.payload().await, number.to_be_bytes().as_slice());
    }
    a.echo("to itself").await;
}

async fn a_new_incarnation_leaves_the_old_channel(deployment: &Deployment) {
    let (mut node, sender) = (Node::start(deployment).await, connect(deployment).await);
    let old = node.incarnation.clone();
    let new = Incarnation::fresh();
    let (into, mut events) = mpsc::channel(8);
    node.redis.listen(&new, into).await.unwrap();
    assert_eq!(
        node.redis.alive(&[old.clone(), new.clone()]).await.unwrap(),
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
    eventually("the old channel is left", async || {
        deployment.servers.iter().all(|server| {
            server
                .cli(&["PUBSUB", "NUMSUB", &format!("node:{{{old}}}")])
                .ends_with('0')
        })
    })
    .await;
}

async fn a_full_listener_is_told_when_there_is_room(deployment: &Deployment) {
    let (node, sender) = (Node::start(deployment).await, connect(deployment).await);
    let incarnation = Incarnation::fresh();
    let (into, mut events) = mpsc::channel(2);
    node.redis.listen(&incarnation, into).await.unwrap();
    let to = [incarnation];
    for payload in ["1", "2", "3", "4"] {
        sender
            .publish(&to, Bytes::from_static(payload.as_bytes()))
            .await
            .unwrap();
    }
    eventually("the listener is full", async || events.len() == 2).await;
    // Time for the rest to arrive, and be dropped.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut heard = Vec::new();
    while heard.last() != Some(&BusEvent::Missed { reason: "full" }) {
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

async fn a_restarted_listener_hears_again(deployment: &Deployment) {
    let mut node = Node::start(deployment).await;
    let (into, events) = mpsc::channel(8);
    node.events = events;
    // The first one's receiver is gone.
    node.echo_is_lost().await;
    node.redis.listen(&node.incarnation, into).await.unwrap();
    node.echo("again").await;
}

impl Node {
    async fn echo_is_lost(&self) {
        self.redis
            .publish(
                std::slice::from_ref(&self.incarnation),
                Bytes::from_static(b"lost"),
            )
            .await
            .unwrap();
    }
}

/// On one thread fred reads a burst before anyone else runs, so a small capacity must overflow.
#[tokio::test]
async fn a_lag_is_told_and_does_not_end_the_stream() {
    let deployment = Deployment::shared_standalone().await;
    let mut settings = RedisSettings::new(deployment.url());
    settings.bus_capacity = 4;
    let mut node = Node::start_with(settings).await;
    let channel = format!("node:{{{}}}", node.incarnation);
    let burst = "for i = 1, 500 do redis.call('PUBLISH', ARGV[1], i) end";
    for round in 0..3 {
        deployment.cli(&["EVAL", burst, "0", &channel]);
        assert_eq!(node.missed().await, "lagged", "round {round}");
        node.echo("after the lag").await;
    }
}
