//! Roles, mutes, bans and invites across nodes, and for a device that resumes.

use std::time::Duration;

use starling_client::{Client, Error, Event};
use starling_protocol::{Body, ConversationId, Entry, ErrorCode, Invite, Kind, List, Role, Update};
use std::sync::Arc;

use crate::stage::{Stage, eventually, user};

const SOON: Duration = Duration::from_secs(30);

/// The next entry of a conversation that fulfils a wish.
async fn heard(client: &Client, id: &ConversationId, wish: impl Fn(&Body) -> bool) -> Arc<Entry> {
    let next = async {
        loop {
            if let Event::Entry(entry) = client.next_event().await.unwrap()
                && entry.conversation == *id
                && wish(&entry.body)
            {
                return entry;
            }
        }
    };
    tokio::time::timeout(SOON, next)
        .await
        .expect("the entry that was waited for")
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, code: ErrorCode) {
    match outcome {
        Err(Error::Refused(error)) if error.code == code => {}
        other => panic!("not {code}: {other:?}"),
    }
}

fn is_text(body: &Body, text: &str) -> bool {
    matches!(body, Body::Message(message) if message.text == text)
}

#[tokio::test]
async fn a_club_is_governed_across_nodes() {
    let stage = Stage::start("moderation").await;
    let (ann, bob, eve) = (
        stage.client_at(0, "ann").await,
        stage.client_at(1, "bob").await,
        stage.client_at(2, "eve").await,
    );
    let create = starling_protocol::Create {
        name: Some("Tea".into()),
        ..starling_protocol::Create::of(Kind::Club, vec![user("bob")])
    };
    let id = ann.create(create).await.unwrap().id;
    refused(eve.join(&id).await, ErrorCode::NotOpen);

    // Bob may do at his node, at once, what he was made a moderator for at another.
    refused(bob.mute(&id, user("ann"), None).await, ErrorCode::Forbidden);
    ann.set_role(&id, user("bob"), Role::Moderator).await.unwrap();
    let invite = Invite {
        conversation: id.clone(),
        expires_at: None,
        max_uses: Some(1),
        client_id: None,
        retry: false,
    };
    let invited = bob.invite(invite).await.unwrap();
    let token = invited.token.unwrap();
    assert_eq!(eve.accept(token.as_str()).await.unwrap().conversation, id);
    let zoe = stage.client_at(0, "zoe").await;
    refused(zoe.accept(token.as_str()).await, ErrorCode::UnknownInvite);
    let joined = heard(&ann, &id, |body| {
        matches!(body, Body::Joined { invite: Some(_), .. })
    })
    .await;
    assert_eq!(joined.sender, Some(user("eve")));
    assert!(ann.invites(&id).await.unwrap().invites.is_empty(), "used up");

    // A muted member hears, and does not speak.
    bob.mute(&id, user("eve"), None).await.unwrap();
    refused(eve.send(&id, "but").await, ErrorCode::Muted);
    ann.send(&id, "hush").await.unwrap();
    heard(&eve, &id, |body| is_text(body, "hush")).await;
    bob.unmute(&id, user("eve")).await.unwrap();
    eve.send(&id, "thanks").await.unwrap();

    let update = Update {
        conversation: id.clone(),
        name: None,
        description: Some("With cake".into()),
        avatar_url: None,
        open: Some(true),
        client_id: None,
        retry: false,
    };
    bob.update(update).await.unwrap();
    let updated = heard(&eve, &id, |body| matches!(body, Body::Updated(_))).await;
    assert!(matches!(&updated.body, Body::Updated(profile) if profile.open && profile.name.is_some()));
    let listed = eve.list(List::default()).await.unwrap().conversations;
    assert_eq!(listed[0].description.as_deref(), Some("With cake"));

    // The last admin hands over before he goes; then the other one is the last.
    refused(ann.leave(&id).await, ErrorCode::LastAdmin);
    refused(
        ann.set_role(&id, user("ann"), Role::Member).await,
        ErrorCode::LastAdmin,
    );
    ann.set_role(&id, user("bob"), Role::Admin).await.unwrap();
    ann.set_role(&id, user("ann"), Role::Member).await.unwrap();
    refused(bob.leave(&id).await, ErrorCode::LastAdmin);

    // A banned one hears of it, and of nothing after it, and stays out though the conversation is open now.
    bob.ban(&id, user("eve")).await.unwrap();
    let after = bob.send(&id, "among us").await.unwrap().seq;
    let mut last = None;
    eventually("eve knows that she is out", SOON, async || {
        match eve.next_event().await.unwrap() {
            Event::Entry(entry) => {
                last = Some(entry);
                None
            }
            Event::Removed(removed) => (removed == id).then_some(()),
            _ => None,
        }
    })
    .await;
    let last = last.unwrap();
    assert!(
        matches!(&last.body, Body::Banned { removed: true, .. }),
        "{last:?}"
    );
    refused(eve.join(&id).await, ErrorCode::Banned);

    // A device of hers that was away gets the log up to her ban; one of ann's gets all of it, in order.
    let away = |name: &str, node: usize| {
        let builder = Client::builder([stage.node(node).ws_url()]).token(stage.token(name).unwrap());
        builder.cursors([(id.clone(), 0)].into()).connect()
    };
    let banned = away("eve", 1).await.unwrap();
    let mut seqs = Vec::new();
    eventually("eve's device has what is hers", SOON, async || {
        match banned.next_event().await.unwrap() {
            Event::Entry(entry) => {
                seqs.push(entry.seq);
                None
            }
            Event::Removed(removed) => (removed == id).then_some(()),
            _ => None,
        }
    })
    .await;
    assert_eq!(seqs, (1..=last.seq).collect::<Vec<_>>());
    let resumed = away("ann", 2).await.unwrap();
    let mut kinds = Vec::new();
    loop {
        let entry = heard(&resumed, &id, |_| true).await;
        assert_eq!(entry.seq, kinds.len() as u64 + 1);
        kinds.push(entry.body.clone());
        if entry.seq == after {
            break;
        }
    }
    let has = |wish: fn(&Body) -> bool| assert!(kinds.iter().any(wish), "{kinds:?}");
    has(|body| matches!(body, Body::RoleChanged { .. }));
    has(|body| matches!(body, Body::Invited { .. }));
    has(|body| matches!(body, Body::Muted { .. }));
    has(|body| matches!(body, Body::Unmuted { .. }));
    has(|body| matches!(body, Body::Updated(_)));
    has(|body| matches!(body, Body::Banned { .. }));
    assert_eq!(stage.stored(&id).await.len() as u64, after);

    // Nothing of it is lost with Redis.
    stage.redis().flush_all().await.unwrap();
    refused(eve.join(&id).await, ErrorCode::Banned);
    bob.unban(&id, user("eve")).await.unwrap();
    eve.join(&id).await.unwrap();
}
