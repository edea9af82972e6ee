//! The offline index.

use starling_core::ports::OfflineIndex;
use starling_protocol::{ConversationId, Seq, UserId};
use starling_redis::Redis;

use crate::server::Deployment;
use crate::support::{connect_with, conversation, on_both, patient_settings, user};

on_both! {
    the_index_is_bounded_and_expires,
}

async fn pending(redis: &Redis, user: &UserId) -> Vec<(ConversationId, Seq)> {
    let mut pending = redis.pending(user).await.unwrap();
    pending.sort();
    pending
}

async fn the_index_is_bounded_and_expires(deployment: &Deployment) {
    let mut settings = patient_settings(deployment);
    settings.queue_max_conversations = 2;
    let (redis, user) = (connect_with(settings).await, user());
    let ids = [conversation(), conversation(), conversation()];
    for id in &ids {
        redis.enqueue(id, 1, std::slice::from_ref(&user)).await.unwrap();
    }
    assert_eq!(pending(&redis, &user).await.len(), 2);
    let ttl: u64 = deployment
        .cli(&["TTL", &format!("queue:{{{user}}}")])
        .parse()
        .unwrap();
    assert!((2_591_900..=2_592_000).contains(&ttl), "{ttl}");
    redis.delivered(&user, &ids[0], 1, 1).await.unwrap();
    redis
        .enqueue(&ids[2], 2, std::slice::from_ref(&user))
        .await
        .unwrap();
    let mut expected = [(ids[1].clone(), 1), (ids[2].clone(), 2)];
    expected.sort();
    assert_eq!(pending(&redis, &user).await, expected);
}
