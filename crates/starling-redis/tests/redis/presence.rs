//! What becomes of presence's keys.

use starling_core::ports::{Incarnation, PresenceIndex};

use crate::server::Deployment;
use crate::support::{connect, on_both, user};

on_both! {
    the_keys_expire,
}

async fn the_keys_expire(deployment: &Deployment) {
    let (redis, node) = (connect(deployment).await, Incarnation::fresh());
    redis.enter(&node, &[user()]).await.unwrap();
    for key in [format!("users:{{{node}}}"), "nodes:{all}".to_owned()] {
        let ttl: u64 = deployment.cli(&["TTL", &key]).parse().unwrap();
        assert!((86_300..=86_400).contains(&ttl), "{key}: {ttl}");
    }
    redis.forget(&node).await.unwrap();
}
