//! Liveness, routes, pub/sub.

use bytes::Bytes;
use starling_core::ports::{AfterCommit, Bus, Commit, Incarnation, Leases};
use starling_protocol::ConversationId;
use tokio::sync::mpsc;

use crate::server::Deployment;
use crate::support::{Node, conversation, eventually, on_both, patient_settings};

on_both! {
    a_node_is_alive_until_it_lapses,
    routes_expire,
    many_routes_are_joined_at_once,
    a_new_incarnation_leaves_the_old_channel,
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

async fn routes_expire(deployment: &Deployment) {
    let (node, id) = (Node::start(deployment).await, conversation());
    node.redis
        .join_routes(std::slice::from_ref(&id), &node.incarnation)
        .await
        .unwrap();
    let ttl: u64 = deployment
        .cli(&["TTL", &format!("route:{{{id}}}")])
        .parse()
        .unwrap();
    assert!((86_300..=86_400).contains(&ttl), "{ttl}");
}

async fn many_routes_are_joined_at_once(deployment: &Deployment) {
    let node = Node::start(deployment).await;
    let ids: Vec<_> = (0..2000).map(|_| conversation()).collect();
    node.redis.join_routes(&ids, &node.incarnation).await.unwrap();
    for id in [&ids[0], &ids[999], &ids[1999]] {
        assert_eq!(route(&node, id).await, std::slice::from_ref(&node.incarnation));
    }
}

async fn a_new_incarnation_leaves_the_old_channel(deployment: &Deployment) {
    let node = Node::start(deployment).await;
    let (into, _events) = mpsc::channel(8);
    node.redis.listen(&Incarnation::fresh(), into).await.unwrap();
    eventually("the old channel is left", async || {
        deployment.servers.iter().all(|server| {
            server
                .cli(&["PUBSUB", "NUMSUB", &format!("node:{{{}}}", node.incarnation)])
                .ends_with('0')
        })
    })
    .await;
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
    let mut settings = patient_settings(&deployment);
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
