//! Presence.

use bytes::Bytes;
use starling_core::ports::{ConnectionId, Incarnation, PresenceIndex};

use crate::server::Deployment;
use crate::support::{Node, connect, on_both, user};

on_both! {
    a_nodes_users_are_found_until_they_leave,
    connections_say_that_they_are_away,
    all_nodes_hear_what_is_announced,
}

async fn a_nodes_users_are_found_until_they_leave(deployment: &Deployment) {
    let (redis, node) = (connect(deployment).await, Incarnation::fresh());
    let mut users: Vec<_> = (0..1_200).map(|_| user()).collect();
    users.sort();
    redis.enter(&node, &users).await.unwrap();
    redis.enter(&node, &users[..1]).await.unwrap();
    assert!(redis.nodes().await.unwrap().contains(&node));
    let some = redis.users_of(&node, 100).await.unwrap();
    assert_eq!(some.len(), 100);
    assert!(some.iter().all(|user| users.binary_search(user).is_ok()));
    for key in [format!("users:{{{node}}}"), "nodes:{all}".to_owned()] {
        let ttl: u64 = deployment.cli(&["TTL", &key]).parse().unwrap();
        assert!((86_300..=86_400).contains(&ttl), "{key}: {ttl}");
    }
    redis.leave(&node, &users[..1_199]).await.unwrap();
    redis.leave(&node, &[]).await.unwrap();
    assert_eq!(redis.users_of(&node, 100).await.unwrap(), users[1_199..]);
    redis.leave(&node, &users[1_199..]).await.unwrap();
    assert_eq!(redis.users_of(&node, 100).await.unwrap(), []);
    redis.forget(&node).await.unwrap();
    assert!(!redis.nodes().await.unwrap().contains(&node));

    redis.enter(&node, &[]).await.unwrap();
    assert!(
        redis.nodes().await.unwrap().contains(&node),
        "a node without users too"
    );
    redis.forget(&node).await.unwrap();
}

async fn connections_say_that_they_are_away(deployment: &Deployment) {
    let (redis, ann, bob) = (connect(deployment).await, user(), user());
    let (phone, laptop) = (ConnectionId::fresh(), ConnectionId::fresh());
    for connection in [&phone, &laptop, &phone] {
        redis.set_away(&ann, connection, true).await.unwrap();
    }
    redis.set_away(&bob, &phone, false).await.unwrap();
    let mut away = redis.away(&[bob.clone(), ann.clone()]).await.unwrap();
    away[1].sort();
    let mut both = vec![phone.clone(), laptop.clone()];
    both.sort();
    assert_eq!(away, [vec![], both]);
    redis.set_away(&ann, &laptop, false).await.unwrap();
    assert_eq!(redis.away(&[ann]).await.unwrap(), [vec![phone]]);
}

async fn all_nodes_hear_what_is_announced(deployment: &Deployment) {
    let (a, mut b, mut c) = (
        Node::start(deployment).await,
        Node::start(deployment).await,
        Node::start(deployment).await,
    );
    for node in [&a, &b] {
        node.redis.enter(&node.incarnation, &[]).await.unwrap();
    }
    let payload = Bytes::from(format!("news of {}", a.incarnation));
    a.redis
        .announce_to_nodes(payload.clone(), &a.incarnation)
        .await
        .unwrap();
    // Others' cases may announce something as well.
    while b.payload().await != payload {}
    c.echo("nothing").await;
    for node in [&a, &b] {
        node.redis.forget(&node.incarnation).await.unwrap();
    }
}
