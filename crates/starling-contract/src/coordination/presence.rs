//! Presence.

use bytes::Bytes;
use starling_core::ports::{ConnectionId, Incarnation};

use super::support::{Node, connect, user};
use crate::Service;

pub async fn a_nodes_users_are_found_until_they_leave(service: &dyn Service) {
    let (ports, node) = (connect(service).await, Incarnation::fresh());
    let mut users: Vec<_> = (0..1_200).map(|_| user()).collect();
    users.sort();
    ports.enter(&node, &users).await.unwrap();
    ports.enter(&node, &users[..1]).await.unwrap();
    assert!(ports.nodes().await.unwrap().contains(&node));
    let some = ports.users_of(&node, 100).await.unwrap();
    assert_eq!(some.len(), 100);
    assert!(some.iter().all(|user| users.binary_search(user).is_ok()));
    ports.leave(&node, &users[..1_199]).await.unwrap();
    ports.leave(&node, &[]).await.unwrap();
    assert_eq!(ports.users_of(&node, 100).await.unwrap(), users[1_199..]);
    ports.leave(&node, &users[1_199..]).await.unwrap();
    assert_eq!(ports.users_of(&node, 100).await.unwrap(), []);
    ports.forget(&node).await.unwrap();
    assert!(!ports.nodes().await.unwrap().contains(&node));

    ports.enter(&node, &[]).await.unwrap();
    assert!(
        ports.nodes().await.unwrap().contains(&node),
        "a node without users too"
    );
    ports.forget(&node).await.unwrap();
}

pub async fn connections_say_that_they_are_away(service: &dyn Service) {
    let (ports, ann, bob) = (connect(service).await, user(), user());
    let (phone, laptop) = (ConnectionId::fresh(), ConnectionId::fresh());
    for connection in [&phone, &laptop, &phone] {
        ports.set_away(&ann, connection, true).await.unwrap();
    }
    ports.set_away(&bob, &phone, false).await.unwrap();
    let mut away = ports.away(&[bob.clone(), ann.clone()]).await.unwrap();
    away[1].sort();
    let mut both = vec![phone.clone(), laptop.clone()];
    both.sort();
    assert_eq!(away, [vec![], both]);
    ports.set_away(&ann, &laptop, false).await.unwrap();
    assert_eq!(ports.away(&[ann]).await.unwrap(), [vec![phone]]);
}

pub async fn all_nodes_hear_what_is_announced(service: &dyn Service) {
    let (a, mut b, mut c) = (
        Node::start(service).await,
        Node::start(service).await,
        Node::start(service).await,
    );
    for node in [&a, &b] {
        node.ports.enter(&node.incarnation, &[]).await.unwrap();
    }
    let payload = Bytes::from(format!("news of {}", a.incarnation));
    a.ports
        .announce_to_nodes(payload.clone(), &a.incarnation)
        .await
        .unwrap();
    // Others' cases may announce something as well.
    while b.payload().await != payload {}
    c.echo("nothing").await;
    for node in [&a, &b] {
        node.ports.forget(&node.incarnation).await.unwrap();
    }
}
