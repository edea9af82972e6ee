//! The directory's contract.

use proptest::prelude::*;
use starling_core::ports::{ConversationRecord, Effect, MemberRecord};
use starling_protocol::{Kind, Role, Seq};

use crate::sample::{conversation, end_member, raised, record, set_member, user};
use crate::{StorePorts, samples};

async fn member(directory: &dyn StorePorts, conversation_id: &str, user_id: &str) -> Option<MemberRecord> {
    directory
        .member(&conversation(conversation_id), &user(user_id))
        .await
        .unwrap()
}

/// One whose role came with the last membership, which began at `role_changed`.
fn member_record(role: (Role, Seq), changed: Seq, left: Option<Seq>, delivered: Seq) -> MemberRecord {
    let (role, role_changed) = role;
    MemberRecord {
        conversation: conversation("c"),
        user: user("bob"),
        role,
        role_changed,
        changed,
        left,
        delivered,
        read: delivered,
        hidden: None,
    }
}

pub async fn a_conversation_is_made_once_and_then_left_alone(directory: &dyn StorePorts) {
    let first = record("c");
    directory
        .apply(&[Effect::CreateConversation(first.clone())])
        .await
        .unwrap();
    let second = ConversationRecord {
        name: None,
        kind: Kind::Direct,
        applied: 50,
        ..record("c")
    };
    directory
        .apply(&[Effect::CreateConversation(second)])
        .await
        .unwrap();
    assert_eq!(
        directory.conversation(&conversation("c")).await.unwrap(),
        Some(first.clone())
    );
    assert_eq!(
        directory.conversation(&conversation("absent")).await.unwrap(),
        None
    );

    let nameless = ConversationRecord {
        name: None,
        kind: Kind::Direct,
        open: false,
        ..record("d")
    };
    directory
        .apply(&[Effect::CreateConversation(nameless.clone())])
        .await
        .unwrap();
    let asked = [conversation("d"), conversation("absent"), conversation("c")];
    let mut found = directory.conversations(&asked).await.unwrap();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(found, [first, nameless]);
    assert_eq!(directory.conversations(&[]).await.unwrap(), []);
}

pub async fn a_membership_goes_through_its_life(directory: &dyn StorePorts) {
    let check = async |effects: &[Effect], expected: MemberRecord| {
        directory.apply(effects).await.unwrap();
        assert_eq!(member(directory, "c", "bob").await, Some(expected), "{effects:?}");
    };
    assert_eq!(member(directory, "c", "bob").await, None);
    check(
        &[set_member("c", "bob", Role::Member, 5)],
        member_record((Role::Member, 5), 5, None, 4),
    )
    .await;
    check(
        &[set_member("c", "bob", Role::Admin, 5)],
        member_record((Role::Member, 5), 5, None, 4),
    )
    .await;
    check(
        &[set_member("c", "bob", Role::Admin, 4)],
        member_record((Role::Member, 5), 5, None, 4),
    )
    .await;
    check(
        &[end_member("c", "bob", 5)],
        member_record((Role::Member, 5), 5, None, 4),
    )
    .await;
    directory.raise_marks(&[raised("c", "bob", 9, 9)]).await.unwrap();
    check(
        &[set_member("c", "bob", Role::Moderator, 7)],
        member_record((Role::Moderator, 7), 7, None, 9),
    )
    .await;
    check(
        &[end_member("c", "bob", 12)],
        member_record((Role::Moderator, 7), 12, Some(12), 9),
    )
    .await;
    // His return may be stored, and not be applied yet: the mark counts all the same.
    directory
        .raise_marks(&[raised("c", "bob", 10, 10)])
        .await
        .unwrap();
    check(
        &[set_member("c", "bob", Role::Member, 8)],
        member_record((Role::Moderator, 7), 12, Some(12), 10),
    )
    .await;
    check(
        &[set_member("c", "bob", Role::Member, 20)],
        member_record((Role::Member, 20), 20, None, 19),
    )
    .await;
    // In order, in one call.
    let both = [
        end_member("c", "bob", 21),
        set_member("c", "bob", Role::Admin, 22),
        end_member("c", "bob", 23),
    ];
    check(&both, member_record((Role::Admin, 22), 23, Some(23), 21)).await;
}

pub async fn an_end_without_a_record_keeps_older_changes_out(directory: &dyn StorePorts) {
    directory.apply(&[end_member("c", "bob", 7)]).await.unwrap();
    directory
        .apply(&[set_member("c", "bob", Role::Admin, 3)])
        .await
        .unwrap();
    assert_eq!(
        member(directory, "c", "bob").await,
        Some(member_record((Role::Member, 0), 7, Some(7), 0))
    );
    assert_eq!(directory.memberships(&user("bob"), None, 10).await.unwrap(), []);
    assert_eq!(directory.members(&conversation("c")).await.unwrap().len(), 1);
}

pub async fn ids_that_look_like_expressions_are_only_ids(directory: &dyn StorePorts) {
    directory
        .apply(&[set_member("c", "$$ROOT", Role::Member, 5)])
        .await
        .unwrap();
    directory
        .apply(&[
            set_member("c", "$user", Role::Member, 5),
            end_member("c", "$user", 6),
        ])
        .await
        .unwrap();
    assert_eq!(member(directory, "c", "$$ROOT").await.unwrap().left, None);
    assert_eq!(member(directory, "c", "$user").await.unwrap().left, Some(6));
    let strange = ConversationRecord {
        name: Some("$name".into()),
        created_by: user("$x"),
        ..record("c")
    };
    directory
        .apply(&[Effect::CreateConversation(strange.clone())])
        .await
        .unwrap();
    assert_eq!(
        directory.conversation(&conversation("c")).await.unwrap(),
        Some(strange)
    );
    directory.saw_user(&user("$x"), Some("$name")).await.unwrap();
}

pub async fn many_effects_go_in_few_commands_and_keep_their_order(directory: &dyn StorePorts) {
    let mut effects = Vec::new();
    for n in 0..1_500 {
        effects.push(set_member("c", &format!("user{n}"), Role::Member, 1));
    }
    effects.push(Effect::CreateConversation(record("c")));
    effects.extend((0..1_500).map(|n| end_member("c", &format!("user{n}"), 2)));
    effects.extend((0..1_500).map(|n| set_member("c", &format!("user{n}"), Role::Admin, 3)));
    directory.apply(&effects).await.unwrap();
    let members = directory.members(&conversation("c")).await.unwrap();
    assert_eq!(members.len(), 1_500);
    assert!(
        members
            .iter()
            .all(|member| member.left.is_none() && member.role == Role::Admin)
    );
    directory.apply(&[]).await.unwrap();
}

pub async fn nodes_that_apply_the_same_effects_at_once_do_not_disturb_each_other(directory: &dyn StorePorts) {
    let effects: Vec<Effect> = std::iter::once(Effect::CreateConversation(record("c")))
        .chain((0..50).flat_map(|n| {
            let id = format!("user{n}");
            [
                set_member("c", &id, Role::Member, 2),
                end_member("c", &id, 3),
                set_member("c", &id, Role::Admin, 4),
            ]
        }))
        .collect();
    let nodes = (0..8).map(|_| directory.apply(&effects));
    for outcome in futures::future::join_all(nodes).await {
        outcome.unwrap();
    }
    let members = directory.members(&conversation("c")).await.unwrap();
    assert_eq!(members.len(), 50);
    assert!(
        members
            .iter()
            .all(|member| member.changed == 4 && member.delivered == 3 && member.left.is_none())
    );
}

pub async fn marks_only_rise(directory: &dyn StorePorts) {
    let c = conversation("c");
    directory
        .apply(&[
            Effect::CreateConversation(record("c")),
            set_member("c", "bob", Role::Member, 1),
        ])
        .await
        .unwrap();
    for (mark, expected) in [(5, 5), (3, 5), (5, 5), (6, 6)] {
        directory
            .mark_applied(&[(c.clone(), mark), (conversation("absent"), 9)])
            .await
            .unwrap();
        assert_eq!(directory.scan(None, 10).await.unwrap(), [(c.clone(), expected)]);
        let marks = [
            raised("c", "bob", mark, mark - 2),
            raised("c", "stranger", mark, mark),
            raised("absent", "bob", mark, mark),
        ];
        directory.raise_marks(&marks).await.unwrap();
        let found = member(directory, "c", "bob").await.unwrap();
        assert_eq!((found.delivered, found.read), (expected, expected - 2));
    }
    assert_eq!(directory.members(&c).await.unwrap().len(), 1);
    directory.mark_applied(&[]).await.unwrap();
    directory.raise_marks(&[]).await.unwrap();

    // Either alone.
    directory.raise_marks(&[raised("c", "bob", 0, 9)]).await.unwrap();
    directory.raise_marks(&[raised("c", "bob", 8, 0)]).await.unwrap();
    let found = member(directory, "c", "bob").await.unwrap();
    assert_eq!((found.delivered, found.read), (8, 9));
    let receipt = found.receipt();
    assert_eq!(
        (receipt.delivered, receipt.read),
        (9, 9),
        "what is read is delivered"
    );
}

pub async fn present_members_are_read_in_pages_by_user(directory: &dyn StorePorts) {
    let mut effects: Vec<_> = (10..35)
        .map(|n| set_member("c", &format!("u{n}"), Role::Member, 1))
        .collect();
    effects.push(end_member("c", "u12", 2));
    effects.push(set_member("d", "u11", Role::Member, 1));
    directory.apply(&effects).await.unwrap();
    let mut found = Vec::new();
    loop {
        let page = directory
            .members_after(&conversation("c"), found.last(), 10)
            .await
            .unwrap();
        let count = page.len();
        found.extend(page.into_iter().map(|member| member.user));
        if count < 10 {
            break;
        }
    }
    let expected: Vec<_> = (10..35)
        .filter(|n| *n != 12)
        .map(|n| user(&format!("u{n}")))
        .collect();
    assert_eq!(found, expected);
    let none = directory
        .members_after(&conversation("c"), None, 0)
        .await
        .unwrap();
    assert_eq!(none, []);
}

pub async fn present_members_of_several_conversations_come_by_conversation_and_user(
    directory: &dyn StorePorts,
) {
    let effects = [
        set_member("d", "u2", Role::Member, 1),
        set_member("d", "u1", Role::Admin, 1),
        set_member("b", "u3", Role::Member, 1),
        set_member("c", "u1", Role::Member, 1),
        set_member("a", "u1", Role::Member, 1),
        set_member("b", "u1", Role::Member, 1),
        end_member("b", "u1", 2),
    ];
    directory.apply(&effects).await.unwrap();
    let of = async |asked: &[&str], limit| {
        let asked: Vec<_> = asked.iter().map(|id| conversation(id)).collect();
        let found = directory.members_of(&asked, limit).await.unwrap();
        let names = found
            .iter()
            .map(|member| format!("{} {}", member.conversation, member.user));
        names.collect::<Vec<_>>()
    };
    assert_eq!(
        of(&["d", "a", "nobody", "b"], 10).await,
        ["a u1", "b u3", "d u1", "d u2"]
    );
    assert_eq!(of(&["d", "a", "b"], 3).await, ["a u1", "b u3", "d u1"]);
    assert_eq!(of(&["d"], 0).await, [] as [&str; 0]);
    assert_eq!(of(&[], 10).await, [] as [&str; 0]);
}

pub async fn lists_are_read_in_pages(directory: &dyn StorePorts) {
    let ids: Vec<String> = (10..35).map(|n| format!("c{n}")).collect();
    let effects: Vec<Effect> = ids
        .iter()
        .flat_map(|id| {
            [
                Effect::CreateConversation(record(id)),
                set_member(id, "bob", Role::Member, 1),
            ]
        })
        .chain([
            end_member("c12", "bob", 2),
            set_member("c13", "carol", Role::Member, 1),
        ])
        .collect();
    directory.apply(&effects).await.unwrap();

    let mut scanned = Vec::new();
    let mut listed = Vec::new();
    loop {
        let page = directory.scan(scanned.last(), 10).await.unwrap();
        assert!(page.iter().all(|(_, applied)| *applied == 1));
        scanned.extend(page.iter().map(|(id, _)| id.clone()));
        if page.len() < 10 {
            break;
        }
    }
    loop {
        let page = directory
            .memberships(&user("bob"), listed.last(), 12)
            .await
            .unwrap();
        assert!(
            page.iter()
                .all(|member| member.user == user("bob") && member.left.is_none())
        );
        listed.extend(page.iter().map(|member| member.conversation.clone()));
        if page.len() < 12 {
            break;
        }
    }
    let all: Vec<_> = ids.iter().map(|id| conversation(id)).collect();
    assert_eq!(scanned, all);
    assert_eq!(
        listed,
        all.into_iter()
            .filter(|id| *id != conversation("c12"))
            .collect::<Vec<_>>()
    );
    assert_eq!(directory.scan(None, 0).await.unwrap(), []);
    assert_eq!(directory.memberships(&user("bob"), None, 0).await.unwrap(), []);
}

pub async fn users_are_made_on_first_sight_and_keep_their_names(directory: &dyn StorePorts) {
    let alice = user("alice");
    for (name, expected) in [
        (None, None),
        (Some("Alice"), Some("Alice")),
        (None, Some("Alice")),
        (Some("Alice B."), Some("Alice B.")),
    ] {
        directory.saw_user(&alice, name).await.unwrap();
        let seen = directory.profiles(std::slice::from_ref(&alice)).await.unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].name.as_deref(), expected);
    }
    let bob = user("bob");
    let at_once = (0..8).map(|_| directory.saw_user(&bob, Some("Bob")));
    for outcome in futures::future::join_all(at_once).await {
        outcome.unwrap();
    }
    let seen = directory.profiles(&[bob, user("carol")]).await.unwrap();
    assert_eq!(seen.len(), 1, "and nobody else");
}

/// What happens to one member at a seq: a role, or the end.
type Change = Option<Role>;

fn changes() -> impl Strategy<Value = (Vec<Change>, Vec<Vec<usize>>)> {
    let role = prop_oneof![Just(Role::Member), Just(Role::Moderator), Just(Role::Admin)];
    prop::collection::vec(prop::option::of(role), 1..8).prop_flat_map(|changes| {
        let any_order = prop::collection::vec(prop::collection::vec(0..changes.len(), 1..5), 0..4);
        (Just(changes), any_order)
    })
}

/// Calls with any effects in any order, and somewhere among them one that carries all out in order, as recovery
/// does: the record is then what the last change makes of it, and stays so.
pub async fn effects_converge_to_the_last_change(directory: &dyn StorePorts) {
    let cases = samples(96, &(changes(), any::<prop::sample::Index>()));
    for (case, ((changes, calls), recovery)) in cases.into_iter().enumerate() {
        let id = format!("c{case}");
        let effect = |index: &usize| {
            let seq = 2 + *index as Seq * 3;
            match changes[*index] {
                Some(role) => set_member(&id, "bob", role, seq),
                None => end_member(&id, "bob", seq),
            }
        };
        let mut calls: Vec<Vec<Effect>> = calls
            .iter()
            .map(|indexes| indexes.iter().map(effect).collect())
            .collect();
        let in_order = (0..changes.len()).map(|index| effect(&index)).collect();
        calls.insert(recovery.index(calls.len() + 1), in_order);
        for effects in &calls {
            directory.apply(effects).await.unwrap();
        }
        let found = member(directory, &id, "bob").await.unwrap();
        let last = 2 + (changes.len() as Seq - 1) * 3;
        assert_eq!(found.changed, last, "{calls:?} made {found:?}");
        match changes[changes.len() - 1] {
            Some(role) => assert_eq!(
                (found.left, found.role, found.delivered),
                (None, role, last - 1),
                "{calls:?}"
            ),
            None => assert_eq!(found.left, Some(last), "{calls:?}"),
        }
    }
}
