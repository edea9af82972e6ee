//! The session map.

use starling_core::ports::{Admission, ConnectionId, Incarnation, SessionMap, SessionRef};
use starling_redis::Redis;

use crate::server::Deployment;
use crate::support::{connect, on_both, user};

on_both! {
    a_user_has_as_many_connections_as_allowed,
    connections_of_the_dead_make_room,
    a_connection_moves_with_its_node,
    only_ones_own_entry_is_removed,
    sessions_come_in_the_order_asked_for,
}

fn session(incarnation: &Incarnation) -> SessionRef {
    SessionRef {
        connection: ConnectionId::fresh(),
        incarnation: incarnation.clone(),
    }
}

async fn sessions(redis: &Redis, user: &starling_protocol::UserId) -> Vec<SessionRef> {
    let mut sessions = redis
        .sessions(std::slice::from_ref(user))
        .await
        .unwrap()
        .remove(0);
    sessions.sort_by(|a, b| a.connection.cmp(&b.connection));
    sessions
}

async fn a_user_has_as_many_connections_as_allowed(deployment: &Deployment) {
    let (redis, user, node) = (connect(deployment).await, user(), Incarnation::fresh());
    let mut all: Vec<_> = (0..4).map(|_| session(&node)).collect();
    // Ids of one millisecond are in no particular order; the map's answers are compared sorted.
    all.sort_by(|a, b| a.connection.cmp(&b.connection));
    for (session, expected) in all
        .iter()
        .zip([Admission::Admitted, Admission::Admitted, Admission::Full])
    {
        assert_eq!(
            redis.connect(&user, session, Some(2), &[]).await.unwrap(),
            expected
        );
    }
    assert_eq!(sessions(&redis, &user).await, all[..2]);
    assert_eq!(
        redis.connect(&user, &all[1], Some(2), &[]).await.unwrap(),
        Admission::Admitted,
        "it is there already"
    );
    assert_eq!(
        redis.connect(&user, &all[1], Some(1), &[]).await.unwrap(),
        Admission::Admitted,
        "it is there already"
    );
    assert_eq!(
        redis.connect(&user, &all[2], None, &[]).await.unwrap(),
        Admission::Admitted,
        "no limit"
    );
    assert_eq!(
        redis.connect(&user, &all[3], Some(0), &[]).await.unwrap(),
        Admission::Full
    );
    redis.disconnect(&user, &all[0]).await.unwrap();
    redis.disconnect(&user, &all[1]).await.unwrap();
    assert_eq!(
        redis.connect(&user, &all[3], Some(2), &[]).await.unwrap(),
        Admission::Admitted
    );
    let ttl: u64 = deployment
        .cli(&["TTL", &format!("user:{{{user}}}")])
        .parse()
        .unwrap();
    assert!((86_300..=86_400).contains(&ttl), "{ttl}");
}

async fn connections_of_the_dead_make_room(deployment: &Deployment) {
    let (redis, user) = (connect(deployment).await, user());
    let (dead, also_dead, living) = (Incarnation::fresh(), Incarnation::fresh(), Incarnation::fresh());
    let lost = [session(&dead), session(&also_dead), session(&dead)];
    for session in &lost {
        redis.connect(&user, session, None, &[]).await.unwrap();
    }
    let new = session(&living);
    let gone = [also_dead, dead.clone()];
    assert_eq!(
        redis.connect(&user, &new, Some(1), &gone[..1]).await.unwrap(),
        Admission::Full
    );
    assert_eq!(
        sessions(&redis, &user).await.len(),
        2,
        "removed even if the new one is refused"
    );
    assert_eq!(
        redis.connect(&user, &new, Some(1), &gone).await.unwrap(),
        Admission::Admitted
    );
    assert_eq!(sessions(&redis, &user).await, [new]);
}

async fn a_connection_moves_with_its_node(deployment: &Deployment) {
    let (redis, user, old) = (connect(deployment).await, user(), Incarnation::fresh());
    let before = session(&old);
    redis.connect(&user, &before, Some(1), &[]).await.unwrap();
    let after = SessionRef {
        incarnation: Incarnation::fresh(),
        ..before
    };
    assert_eq!(
        redis.connect(&user, &after, Some(1), &[old]).await.unwrap(),
        Admission::Admitted
    );
    assert_eq!(sessions(&redis, &user).await, [after]);
}

async fn only_ones_own_entry_is_removed(deployment: &Deployment) {
    let (redis, user) = (connect(deployment).await, user());
    let mine = session(&Incarnation::fresh());
    redis.connect(&user, &mine, None, &[]).await.unwrap();
    let stale = SessionRef {
        incarnation: Incarnation::fresh(),
        ..mine.clone()
    };
    redis.disconnect(&user, &stale).await.unwrap();
    assert_eq!(sessions(&redis, &user).await, std::slice::from_ref(&mine));
    redis.disconnect(&user, &mine).await.unwrap();
    redis.disconnect(&user, &mine).await.unwrap();
    assert_eq!(sessions(&redis, &user).await, []);
}

async fn sessions_come_in_the_order_asked_for(deployment: &Deployment) {
    let (redis, node) = (connect(deployment).await, Incarnation::fresh());
    let users: Vec<_> = (0..300).map(|_| user()).collect();
    for user in users.iter().step_by(3) {
        redis.connect(user, &session(&node), None, &[]).await.unwrap();
    }
    let all = redis.sessions(&users).await.unwrap();
    let counts: Vec<usize> = all.iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 0, 0].repeat(100));
    assert!(redis.sessions(&[]).await.unwrap().is_empty());
}
