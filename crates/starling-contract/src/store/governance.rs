//! What governs conversations: every effect in whatever order, and as often as it comes.

use starling_core::ports::{Effect, FOR_EVER, InviteRecord, Sanction, SanctionRecord};
use starling_protocol::Role;

use crate::StorePorts;
use crate::sample::{
    conversation, end_member, invite, record, revoke_invite, sanction, set_member, set_profile, set_role,
    use_invite, user,
};

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

pub async fn a_role_is_guarded_apart_from_the_membership(directory: &dyn StorePorts) {
    for (case, order) in orders(3).into_iter().enumerate() {
        let c = &format!("c{case}");
        let effects = [
            set_member(c, "bob", Role::Member, 5),
            set_role(c, "bob", Role::Moderator, 6),
            set_role(c, "bob", Role::Admin, 7),
        ];
        directory
            .apply(&[Effect::CreateConversation(record(c))])
            .await
            .unwrap();
        for index in &order {
            directory.apply(&effects[*index..=*index]).await.unwrap();
        }
        // Recovery carries all of them out again, in order.
        directory.apply(&effects).await.unwrap();
        let bob = directory
            .member(&conversation(c), &user("bob"))
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

pub async fn a_role_of_an_earlier_membership_does_not_return(directory: &dyn StorePorts) {
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

fn bans_and_mutes(c: &str) -> [Effect; 4] {
    [
        sanction(c, "bob", Sanction::Ban(true), 4),
        sanction(c, "bob", Sanction::Mute(Some(FOR_EVER)), 5),
        sanction(c, "bob", Sanction::Ban(false), 6),
        sanction(c, "bob", Sanction::Mute(Some(9_000)), 7),
    ]
}

pub async fn bans_and_mutes_are_guarded_each_by_itself(directory: &dyn StorePorts) {
    for (case, order) in orders(4).into_iter().enumerate() {
        let c = &format!("c{case}");
        for index in &order {
            let effect = &bans_and_mutes(c)[*index];
            directory.apply(std::slice::from_ref(effect)).await.unwrap();
        }
        let expected = SanctionRecord {
            conversation: conversation(c),
            user: user("bob"),
            banned: false,
            muted_until: Some(9_000),
            changed: 7,
        };
        let found = directory.sanctions(&conversation(c)).await.unwrap();
        assert_eq!(found, std::slice::from_ref(&expected), "{order:?}");
    }
    directory.apply(&bans_and_mutes("c")[..2]).await.unwrap();
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
    for (id, who, expected) in [
        ("c", "bob", found.first()),
        ("c", "alice", None),
        ("d", "bob", None),
    ] {
        let one = directory.sanction(&conversation(id), &user(who)).await.unwrap();
        assert_eq!(one.as_ref(), expected, "{id} {who}");
    }
}

pub async fn a_conversation_is_called_what_the_last_update_says(directory: &dyn StorePorts) {
    for (case, order) in orders(3).into_iter().enumerate() {
        let c = &format!("c{case}");
        let effects = [
            set_profile(c, Some("one"), 4),
            set_profile(c, Some("two"), 5),
            set_profile(c, None, 6),
        ];
        let first = record(c);
        directory
            .apply(&[Effect::CreateConversation(first.clone())])
            .await
            .unwrap();
        for index in &order {
            directory.apply(&effects[*index..=*index]).await.unwrap();
        }
        let found = directory.conversation(&conversation(c)).await.unwrap().unwrap();
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

pub async fn an_invite_is_made_once_used_up_and_revoked_for_ever(directory: &dyn StorePorts) {
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
