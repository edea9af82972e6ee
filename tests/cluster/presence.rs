//! Who is there and who types, across nodes, and after the death of one.

use std::time::Duration;

use starling_client::{Client, Event};
use starling_protocol::{Availability, Presence, PresenceState, SetPresence, UserId};
use tokio::time::{Instant, timeout};

use crate::stage::{Stage, eventually, user};

const SOON: Duration = Duration::from_secs(30);
/// The liveness of a node, and a little.
const LIVENESS: Duration = Duration::from_secs(18);

/// The next event that fulfils a wish.
async fn next<T>(client: &Client, within: Duration, mut wish: impl FnMut(Event) -> Option<T>) -> T {
    let next = async {
        loop {
            if let Some(found) = wish(client.next_event().await.unwrap()) {
                return found;
            }
        }
    };
    timeout(within, next).await.expect("an event that was waited for")
}

async fn told(client: &Client, of: &UserId, state: PresenceState, within: Duration) -> Presence {
    next(client, within, |event| match event {
        Event::Presence(presence) if presence.user == *of && presence.state == state => Some(presence),
        _ => None,
    })
    .await
}

async fn typing(client: &Client) -> (UserId, bool) {
    next(client, SOON, |event| match event {
        Event::Typing(change) => Some((change.user, change.typing)),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn people_come_type_and_go_on_different_nodes() {
    let stage = Stage::start("presence").await;
    let (ann, bob) = (user("ann"), user("bob"));
    let first = stage.client_at(0, "ann").await;
    let id = first.create_direct(bob.clone()).await.unwrap().id;
    // Who does not follow the conversation yet is told of nobody in it: she asks, or hears of the next change.
    next(&first, SOON, |event| {
        matches!(event, Event::Entry(entry) if entry.conversation == id).then_some(())
    })
    .await;
    let phone = stage.client_at(1, "bob").await;
    told(&first, &bob, PresenceState::Online, SOON).await;

    // Several devices, a text, away only if all say so.
    let laptop = stage.client_at(2, "bob").await;
    let away = SetPresence {
        state: Some(Availability::Away),
        text: Some("at sea".into()),
    };
    phone.set_presence(away.clone()).await.unwrap();
    // Of the laptop's arrival she may be told by itself, before.
    let with_text = next(&first, SOON, |event| match event {
        Event::Presence(presence) if presence.user == bob && presence.text.is_some() => Some(presence),
        _ => None,
    });
    let online = with_text.await;
    assert_eq!(online.text.as_deref(), Some("at sea"));
    assert_eq!(
        online.state,
        PresenceState::Online,
        "only one of two devices is away"
    );
    laptop.set_presence(away).await.unwrap();
    told(&first, &bob, PresenceState::Away, SOON).await;

    // Typing ends with the message, and comes to no device of the typist.
    laptop.typing(&id, true).await.unwrap();
    assert_eq!(typing(&first).await, (bob.clone(), true));
    laptop.send(&id, "hello").await.unwrap();
    assert_eq!(typing(&first).await, (bob.clone(), false));
    first.typing(&id, true).await.unwrap();
    assert_eq!(typing(&phone).await, (ann.clone(), true));
    first.typing(&id, false).await.unwrap();
    assert_eq!(typing(&phone).await, (ann.clone(), false));

    // A node dies with one of bob's devices and ann's only one; others, who resume elsewhere, are told.
    stage.node(0).kill9().await.unwrap();
    let killed = Instant::now();
    let gone = told(&phone, &ann, PresenceState::Offline, LIVENESS).await;
    println!("told of after {:?}", killed.elapsed());
    assert!(gone.last_seen.is_some());
}

#[tokio::test]
async fn a_redis_that_has_lost_all_is_told_again_who_is_there() {
    let stage = Stage::start("presence-flush").await;
    let bob = user("bob");
    let ann = stage.client_at(0, "ann").await;
    ann.create_direct(bob.clone()).await.unwrap();
    let phone = stage.client_at(1, "bob").await;
    let away = SetPresence {
        state: Some(Availability::Away),
        text: Some("at sea".into()),
    };
    phone.set_presence(away).await.unwrap();
    let seen = async |client: &Client| {
        let found = client.presences(vec![bob.clone()]).await.unwrap();
        found.into_iter().next().unwrap()
    };
    let sees = async |client: &Client, what: &str, within: Duration, state: PresenceState| {
        eventually(what, within, async || {
            Some(seen(client).await).filter(|presence| presence.state == state)
        })
        .await
    };
    sees(&ann, "he is away", SOON, PresenceState::Away).await;
    // Also nodes that hear of it late, and one that is asked for the first time.
    for round in 0..2 {
        stage.redis().flush_all().await.unwrap();
        let presence = sees(&ann, "he is away again", SOON, PresenceState::Away).await;
        assert_eq!(presence.text.as_deref(), Some("at sea"), "{round}");
    }
    let late = stage.client_at(2, "ann").await;
    sees(&late, "he is away, for who comes now", SOON, PresenceState::Away).await;

    // It is known again who is connected to which node: the death of his is noticed.
    stage.node(1).kill9().await.unwrap();
    for client in [&ann, &late] {
        let gone = sees(
            client,
            "he is gone with his node",
            LIVENESS + SOON,
            PresenceState::Offline,
        )
        .await;
        assert_eq!(gone.text.as_deref(), Some("at sea"));
    }
    let buried = eventually(
        "it is known when he was last there",
        LIVENESS + SOON,
        async || seen(&ann).await.last_seen,
    );
    assert!(buried.await > 0);
}
