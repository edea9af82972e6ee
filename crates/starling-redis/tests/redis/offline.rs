//! The offline index.

use starling_core::ports::OfflineIndex;
use starling_protocol::{ConversationId, Seq, UserId};
use starling_redis::{Redis, RedisSettings};

use crate::server::Deployment;
use crate::support::{connect, connect_with, conversation, on_both, user};

on_both! {
    the_first_that_was_not_sent_is_noted,
    what_is_delivered_is_not_noted_any_more,
    the_index_is_bounded,
    many_users_at_once,
}

async fn pending(redis: &Redis, user: &UserId) -> Vec<(ConversationId, Seq)> {
    let mut pending = redis.pending(user).await.unwrap();
    pending.sort();
    pending
}

async fn the_first_that_was_not_sent_is_noted(deployment: &Deployment) {
    let (redis, user) = (connect(deployment).await, user());
    let mut ids = [conversation(), conversation()];
    ids.sort();
    assert_eq!(pending(&redis, &user).await, []);
    for (id, seq) in [(&ids[0], 7), (&ids[1], 3), (&ids[0], 8), (&ids[0], 6)] {
        redis.enqueue(id, seq, std::slice::from_ref(&user)).await.unwrap();
    }
    assert_eq!(
        pending(&redis, &user).await,
        [(ids[0].clone(), 7), (ids[1].clone(), 3)]
    );
    let ttl: u64 = deployment
        .cli(&["TTL", &format!("queue:{{{user}}}")])
        .parse()
        .unwrap();
    assert!((2_591_900..=2_592_000).contains(&ttl), "{ttl}");
}

async fn what_is_delivered_is_not_noted_any_more(deployment: &Deployment) {
    let redis = connect(deployment).await;
    // What was noted, the mark, the head, what is noted then.
    for (noted, mark, head, expected) in [
        (Some(5), 4, 10, Some(5)),
        (Some(5), 5, 10, Some(6)),
        (Some(5), 9, 10, Some(10)),
        (Some(5), 10, 10, None),
        (Some(5), 11, 10, None),
        (Some(12), 10, 10, Some(12)),
        (Some(1), 0, 0, Some(1)),
        (None, 3, 10, None),
    ] {
        let (user, id) = (user(), conversation());
        if let Some(seq) = noted {
            redis
                .enqueue(&id, seq, std::slice::from_ref(&user))
                .await
                .unwrap();
        }
        redis.delivered(&user, &id, mark, head).await.unwrap();
        let left = pending(&redis, &user).await;
        let expected: Vec<_> = expected.map(|seq| (id, seq)).into_iter().collect();
        assert_eq!(left, expected, "noted {noted:?}, mark {mark}, head {head}");
    }
}

async fn the_index_is_bounded(deployment: &Deployment) {
    let mut settings = RedisSettings::new(deployment.url());
    settings.queue_max_conversations = 2;
    let (redis, user) = (connect_with(settings).await, user());
    let ids = [conversation(), conversation(), conversation()];
    for id in &ids {
        redis.enqueue(id, 1, std::slice::from_ref(&user)).await.unwrap();
    }
    assert_eq!(pending(&redis, &user).await.len(), 2);
    redis.delivered(&user, &ids[0], 1, 1).await.unwrap();
    redis
        .enqueue(&ids[2], 2, std::slice::from_ref(&user))
        .await
        .unwrap();
    let mut expected = [(ids[1].clone(), 1), (ids[2].clone(), 2)];
    expected.sort();
    assert_eq!(pending(&redis, &user).await, expected);
}

async fn many_users_at_once(deployment: &Deployment) {
    let (redis, id) = (connect(deployment).await, conversation());
    let users: Vec<_> = (0..1000).map(|_| user()).collect();
    redis.enqueue(&id, 9, &users).await.unwrap();
    for user in [&users[0], &users[500], &users[999]] {
        assert_eq!(pending(&redis, user).await, [(id.clone(), 9)]);
    }
}
