//! What becomes of the session map's keys.

use starling_core::ports::{ConnectionId, Incarnation, SessionMap, SessionRef};

use crate::server::Deployment;
use crate::support::{connect, on_both, user};

on_both! {
    the_map_of_a_user_expires,
}

async fn the_map_of_a_user_expires(deployment: &Deployment) {
    let (redis, user) = (connect(deployment).await, user());
    let session = SessionRef {
        connection: ConnectionId::fresh(),
        incarnation: Incarnation::fresh(),
    };
    redis.connect(&user, &session, None, &[]).await.unwrap();
    let ttl: u64 = deployment
        .cli(&["TTL", &format!("user:{{{user}}}")])
        .parse()
        .unwrap();
    assert!((86_300..=86_400).contains(&ttl), "{ttl}");
}
