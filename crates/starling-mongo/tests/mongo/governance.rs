//! What governs conversations: every effect in whatever order, and as often as it comes.

use starling_core::ports::{Directory, Effect, FOR_EVER, InviteRecord, Sanction, SanctionRecord};
use starling_protocol::{InviteId, Profile, Role, Seq};

use crate::sample::{conversation, end_member, record, set_member, user};
use crate::server::empty_database;

pub(crate) fn set_role(conversation_id: &str, user_id: &str, role: Role, seq: Seq) -> Effect {
    Effect::SetRole {
        conversation: conversation(conversation_id),
        user: user(user_id),
        role,
        seq,
    }
}

pub(crate) fn sanction(conversation_id: &str, user_id: &str, sanction: Sanction, seq: Seq) -> Effect {
    Effect::Sanction {
        conversation: conversation(conversation_id),
        user: user(user_id),
        sanction,
        seq,
    }
}

pub(crate) fn set_profile(conversation_id: &str, name: Option<&str>, seq: Seq) -> Effect {
    let profile = Profile {
        name: name.map(str::to_owned),
        description: Some(format!("as of {seq}")),
        avatar_url: None,
        open: seq.is_multiple_of(2),
    };
    Effect::SetProfile {
        conversation: conversation(conversation_id),
        profile,
        seq,
    }
}

pub(crate) fn invite_id(number: u32) -> InviteId {
    let letters = number.to_string().replace(['0', '1', '8', '9'], "a");
    InviteId::new(format!("{letters:a>32}")).unwrap()
}

pub(crate) fn invite(conversation_id: &str, number: u32, max_uses: Option<u32>, seq: Seq) -> InviteRecord {
    InviteRecord {
        id: invite_id(number),
        conversation: conversation(conversation_id),
        created_by: user("alice"),
        created_at: 1_700_000_000_000,
        expires_at: None,
        max_uses,
        uses: 0,
        changed: seq,
    }
}

pub(crate) fn use_invite(number: u32, uses: u32, seq: Seq) -> Effect {
    let invite = invite_id(number);
    Effect::UseInvite { invite, uses, seq }
}

pub(crate) fn revoke_invite(number: u32, seq: Seq) -> Effect {
    let invite = invite_id(number);
    Effect::RevokeInvite { invite, seq }
}

/// All orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let shorter = orders(count - 1);
    let insert = |order: &Vec<usize>, at: usize| {
        let mut order = order.clone();
        order.insert(at, count - 1);
        order
    };
    let longer = shorter
        .iter()
        .flat_map(|order| (0..count).map(move |at| insert(order, at)));
    longer.collect()
}

#[tokio::test]
async fn a_role_is_guarded_apart_from_the_membership() {
    let effects = [
        set_member("c", "bob", Role::Member, 5),
        set_role("c", "bob", Role::Moderator, 6),
        set_role("c", "bob", Role::Admin, 7),
    ];
    for order in orders(effects.len()) {
        let directory = empty_database().await;
        directory
            .apply(&[Effect::CreateConversation(record("c"))])
            .await
            .unwrap();
        for index in &order {
            directory.apply(&effects[*index..=*index]).await.unwrap();
        }
        // Recovery carries all of them out again, in order.
        directory.apply(&effects).await.unwrap();
        let bob = directory
            .member(&conversation("c"), &user("bob"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (bob.role, bob.role_changed, bob.changed, bob.left, bob.delivered),
            (Role::Admin, 7, 5, None, 4),
            "{order:?}"
        );
    }
}

#[tokio::test]
async fn a_role_of_an_earlier_membership_does_not_return() {
    let directory = empty_database().await;
    let member = async || {
        let bob = directory
            .member(&conversation("c"), &user("bob"))
            .await
            .unwrap()
            .unwrap();
        (bob.role, bob.role_changed, bob.changed, bob.left)
    };
    directory
        .apply(&[set_role("c", "bob", Role::Admin, 4)])
        .await
        .unwrap();
    assert_eq!(
        directory.member(&conversation("c"), &user("bob")).await.unwrap(),
        None,
        "no record of a membership that nobody began"
    );
    let life = [
        set_member("c", "bob", Role::Member, 5),
        set_role("c", "bob", Role::Admin, 6),
        end_member("c", "bob", 7),
        set_member("c", "bob", Role::Member, 8),
    ];
    directory.apply(&life).await.unwrap();
    assert_eq!(member().await, (Role::Member, 8, 8, None));
    directory.apply(&life[1..2]).await.unwrap();
    assert_eq!(member().await, (Role::Member, 8, 8, None));
    // A role that is set in the new membership is there before its beginning is.
    directory
        .apply(&[set_role("c", "bob", Role::Moderator, 12)])
        .await
        .unwrap();
    directory
        .apply(&[set_member("c", "bob", Role::Member, 10)])
        .await
        .unwrap();
    assert_eq!(member().await, (Role::Moderator, 12, 10, None));
}

#[tokio::test]
async fn bans_and_mutes_are_guarded_each_by_itself() {
    let effects = [
        sanction("c", "bob", Sanction::Ban(true), 4),
        sanction("c", "bob", Sanction::Mute(Some(FOR_EVER)), 5),
        sanction("c", "bob", Sanction::Ban(false), 6),
        sanction("c", "bob", Sanction::Mute(Some(9_000)), 7),
    ];
    let expected = SanctionRecord {
        conversation: conversation("c"),
        user: user("bob"),
        banned: false,
        muted_until: Some(9_000),
        changed: 7,
    };
    for order in orders(effects.len()) {
        let directory = empty_database().await;
        for index in &order {
            directory.apply(&effects[*index..=*index]).await.unwrap();
        }
        let found = directory.sanctions(&conversation("c")).await.unwrap();
        assert_eq!(found, std::slice::from_ref(&expected), "{order:?}");
    }
    let directory = empty_database().await;
    directory.apply(&effects[..2]).await.unwrap();
    let found = directory.sanctions(&conversation("c")).await.unwrap();
    assert_eq!((found[0].banned, found[0].muted_until), (true, Some(FOR_EVER)));
    let lifted = [sanction("c", "bob", Sanction::Mute(None), 8)];
    directory.apply(&lifted).await.unwrap();
    let found = directory.sanctions(&conversation("c")).await.unwrap();
    assert_eq!(
        (found[0].banned, found[0].muted_until, found[0].changed),
        (true, None, 8)
    );
    assert_eq!(directory.sanctions(&conversation("d")).await.unwrap(), []);
}

#[tokio::test]
async fn a_conversation_is_called_what_the_last_update_says() {
    let effects = [
        set_profile("c", Some("one"), 4),
        set_profile("c", Some("two"), 5),
        set_profile("c", None, 6),
    ];
    for order in orders(effects.len()) {
        let directory = empty_database().await;
        let first = record("c");
        directory
            .apply(&[Effect::CreateConversation(first.clone())])
            .await
            .unwrap();
        for index in &order {
            directory.apply(&effects[*index..=*index]).await.unwrap();
        }
        let found = directory.conversation(&conversation("c")).await.unwrap().unwrap();
        assert_eq!(
            (found.name.as_deref(), found.description.as_deref()),
            (None, Some("as of 6"))
        );
        assert_eq!(
            (found.updated, found.open, found.applied),
            (6, true, first.applied),
            "{order:?}"
        );
    }
}

#[tokio::test]
async fn an_invite_is_made_once_used_up_and_revoked_for_ever() {
    let directory = empty_database().await;
    let c = conversation("c");
    let made = invite("c", 2, Some(2), 4);
    let other = invite("d", 3, None, 4);
    let make = |record: &InviteRecord| Effect::MakeInvite(record.clone());
    directory.apply(&[make(&made), make(&other)]).await.unwrap();
    assert_eq!(directory.invites(&c).await.unwrap(), std::slice::from_ref(&made));
    // Again, and late: a use counts once.
    for effects in [vec![use_invite(2, 1, 5)], vec![make(&made), use_invite(2, 1, 5)]] {
        directory.apply(&effects).await.unwrap();
        let found = directory.invites(&c).await.unwrap();
        assert_eq!((found[0].uses, found[0].changed), (1, 5));
    }
    directory
        .apply(&[use_invite(2, 2, 6), use_invite(2, 1, 5)])
        .await
        .unwrap();
    assert_eq!(directory.invites(&c).await.unwrap(), [], "used up");

    let d = conversation("d");
    directory.apply(&[use_invite(3, 1, 5)]).await.unwrap();
    assert_eq!(
        directory.invites(&d).await.unwrap()[0].uses,
        1,
        "any number may join"
    );
    directory.apply(&[revoke_invite(3, 6)]).await.unwrap();
    directory
        .apply(&[make(&other), use_invite(3, 2, 7)])
        .await
        .unwrap();
    assert_eq!(directory.invites(&d).await.unwrap(), [], "revoked");
    // Nothing is made of what there is not.
    directory
        .apply(&[use_invite(4, 1, 5), revoke_invite(4, 6)])
        .await
        .unwrap();
    directory.apply(&[make(&invite("e", 4, None, 4))]).await.unwrap();
    assert_eq!(directory.invites(&conversation("e")).await.unwrap().len(), 1);
}
