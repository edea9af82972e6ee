//! The session map.

use starling_core::ports::{Admission, ConnectionId, Incarnation, SessionRef};

use super::support::{connect, user};
use crate::{CoordinationPorts, Service};

fn session(incarnation: &Incarnation) -> SessionRef {
    SessionRef {
        connection: ConnectionId::fresh(),
        incarnation: incarnation.clone(),
    }
}

async fn sessions(ports: &dyn CoordinationPorts, user: &starling_protocol::UserId) -> Vec<SessionRef> {
    let mut sessions = ports
        .sessions(std::slice::from_ref(user))
        .await
        .unwrap()
        .remove(0);
    sessions.sort_by(|a, b| a.connection.cmp(&b.connection));
    sessions
}

pub async fn a_user_has_as_many_connections_as_allowed(service: &dyn Service) {
    let (ports, user, node) = (connect(service).await, user(), Incarnation::fresh());
    let mut all: Vec<_> = (0..4).map(|_| session(&node)).collect();
    // Ids of one millisecond are in no particular order; the map's answers are compared sorted.
    all.sort_by(|a, b| a.connection.cmp(&b.connection));
    for (session, expected) in all
        .iter()
        .zip([Admission::Admitted, Admission::Admitted, Admission::Full])
    {
        assert_eq!(
            ports.connect(&user, session, Some(2), &[]).await.unwrap(),
            expected
        );
    }
    assert_eq!(sessions(&*ports, &user).await, all[..2]);
    assert_eq!(
        ports.connect(&user, &all[1], Some(2), &[]).await.unwrap(),
        Admission::Admitted,
        "it is there already"
    );
    assert_eq!(
        ports.connect(&user, &all[1], Some(1), &[]).await.unwrap(),
        Admission::Admitted,
        "it is there already"
    );
    assert_eq!(
        ports.connect(&user, &all[2], None, &[]).await.unwrap(),
        Admission::Admitted,
        "no limit"
    );
    assert_eq!(
        ports.connect(&user, &all[3], Some(0), &[]).await.unwrap(),
        Admission::Full
    );
    ports.disconnect(&user, &all[0]).await.unwrap();
    ports.disconnect(&user, &all[1]).await.unwrap();
    assert_eq!(
        ports.connect(&user, &all[3], Some(2), &[]).await.unwrap(),
        Admission::Admitted
    );
}

pub async fn connections_of_the_dead_make_room(service: &dyn Service) {
    let (ports, user) = (connect(service).await, user());
    let (dead, also_dead, living) = (Incarnation::fresh(), Incarnation::fresh(), Incarnation::fresh());
    let lost = [session(&dead), session(&also_dead), session(&dead)];
    for session in &lost {
        ports.connect(&user, session, None, &[]).await.unwrap();
    }
    let new = session(&living);
    let gone = [also_dead, dead.clone()];
    assert_eq!(
        ports.connect(&user, &new, Some(1), &gone[..1]).await.unwrap(),
        Admission::Full
    );
    assert_eq!(
        sessions(&*ports, &user).await.len(),
        2,
        "removed even if the new one is refused"
    );
    assert_eq!(
        ports.connect(&user, &new, Some(1), &gone).await.unwrap(),
        Admission::Admitted
    );
    assert_eq!(sessions(&*ports, &user).await, [new]);
}

pub async fn a_connection_moves_with_its_node(service: &dyn Service) {
    let (ports, user, old) = (connect(service).await, user(), Incarnation::fresh());
    let before = session(&old);
    ports.connect(&user, &before, Some(1), &[]).await.unwrap();
    let after = SessionRef {
        incarnation: Incarnation::fresh(),
        ..before
    };
    assert_eq!(
        ports.connect(&user, &after, Some(1), &[old]).await.unwrap(),
        Admission::Admitted
    );
    assert_eq!(sessions(&*ports, &user).await, [after]);
}

pub async fn only_ones_own_entry_is_removed(service: &dyn Service) {
    let (ports, user) = (connect(service).await, user());
    let mine = session(&Incarnation::fresh());
    ports.connect(&user, &mine, None, &[]).await.unwrap();
    let stale = SessionRef {
        incarnation: Incarnation::fresh(),
        ..mine.clone()
    };
    ports.disconnect(&user, &stale).await.unwrap();
    assert_eq!(sessions(&*ports, &user).await, std::slice::from_ref(&mine));
    ports.disconnect(&user, &mine).await.unwrap();
    ports.disconnect(&user, &mine).await.unwrap();
    assert_eq!(sessions(&*ports, &user).await, []);
}

pub async fn sessions_come_in_the_order_asked_for(service: &dyn Service) {
    let (ports, node) = (connect(service).await, Incarnation::fresh());
    let users: Vec<_> = (0..300).map(|_| user()).collect();
    for user in users.iter().step_by(3) {
        ports.connect(user, &session(&node), None, &[]).await.unwrap();
    }
    let all = ports.sessions(&users).await.unwrap();
    let counts: Vec<usize> = all.iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 0, 0].repeat(100));
    assert!(ports.sessions(&[]).await.unwrap().is_empty());
}
