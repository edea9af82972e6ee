//! The offline index.

use starling_protocol::{ConversationId, Seq, UserId};

use super::support::{connect, conversation, user};
use crate::{CoordinationPorts, Service};

async fn pending(ports: &dyn CoordinationPorts, user: &UserId) -> Vec<(ConversationId, Seq)> {
    let mut pending = ports.pending(user).await.unwrap();
    pending.sort();
    pending
}

pub async fn the_first_that_was_not_sent_is_noted(service: &dyn Service) {
    let (ports, user) = (connect(service).await, user());
    let mut ids = [conversation(), conversation()];
    ids.sort();
    assert_eq!(pending(&*ports, &user).await, []);
    for (id, seq) in [(&ids[0], 7), (&ids[1], 3), (&ids[0], 8), (&ids[0], 6)] {
        ports.enqueue(id, seq, std::slice::from_ref(&user)).await.unwrap();
    }
    assert_eq!(
        pending(&*ports, &user).await,
        [(ids[0].clone(), 7), (ids[1].clone(), 3)]
    );
}

pub async fn what_is_delivered_is_not_noted_any_more(service: &dyn Service) {
    let ports = connect(service).await;
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
            ports
                .enqueue(&id, seq, std::slice::from_ref(&user))
                .await
                .unwrap();
        }
        ports.delivered(&user, &id, mark, head).await.unwrap();
        let left = pending(&*ports, &user).await;
        let expected: Vec<_> = expected.map(|seq| (id, seq)).into_iter().collect();
        assert_eq!(left, expected, "noted {noted:?}, mark {mark}, head {head}");
    }
}

pub async fn many_users_at_once(service: &dyn Service) {
    let (ports, id) = (connect(service).await, conversation());
    let users: Vec<_> = (0..1000).map(|_| user()).collect();
    ports.enqueue(&id, 9, &users).await.unwrap();
    for user in [&users[0], &users[500], &users[999]] {
        assert_eq!(pending(&*ports, user).await, [(id.clone(), 9)]);
    }
}
