//! The directory's contract.

use bson::{Document, doc};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use starling_core::ports::{ConversationRecord, Directory, Effect, MemberRecord};
use starling_mongo::Mongo;
use starling_protocol::{Kind, Role, Seq};

use crate::sample::{conversation, end_member, raised, record, set_member, user};
use crate::server::{empty_database, empty_settings, shared};

async fn member(directory: &Mongo, conversation_id: &str, user_id: &str) -> Option<MemberRecord> {
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

#[tokio::test]
async fn a_conversation_is_made_once_and_then_left_alone() {
    let directory = empty_database().await;
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

#[tokio::test]
async fn a_membership_goes_through_its_life() {
    let directory = empty_database().await;
    let check = async |effects: &[Effect], expected: MemberRecord| {
        directory.apply(effects).await.unwrap();
        assert_eq!(
            member(&directory, "c", "bob").await,
            Some(expected),
            "{effects:?}"
        );
    };
    assert_eq!(member(&directory, "c", "bob").await, None);
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

#[tokio::test]
async fn an_end_without_a_record_keeps_older_changes_out() {
    let directory = empty_database().await;
    directory.apply(&[end_member("c", "bob", 7)]).await.unwrap();
    directory
        .apply(&[set_member("c", "bob", Role::Admin, 3)])
        .await
        .unwrap();
    assert_eq!(
        member(&directory, "c", "bob").await,
        Some(member_record((Role::Member, 0), 7, Some(7), 0))
    );
    assert_eq!(directory.memberships(&user("bob"), None, 10).await.unwrap(), []);
    assert_eq!(directory.members(&conversation("c")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn ids_that_look_like_expressions_are_only_ids() {
    let directory = empty_database().await;
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
    assert_eq!(member(&directory, "c", "$$ROOT").await.unwrap().left, None);
    assert_eq!(member(&directory, "c", "$user").await.unwrap().left, Some(6));
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

#[tokio::test]
async fn many_effects_go_in_few_commands_and_keep_their_order() {
    let directory = empty_database().await;
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

#[tokio::test]
async fn nodes_that_apply_the_same_effects_at_once_do_not_disturb_each_other() {
    let directory = empty_database().await;
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

#[tokio::test]
async fn marks_only_rise() {
    let directory = empty_database().await;
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
        let found = member(&directory, "c", "bob").await.unwrap();
        assert_eq!((found.delivered, found.read), (expected, expected - 2));
    }
    assert_eq!(directory.members(&c).await.unwrap().len(), 1);
    directory.mark_applied(&[]).await.unwrap();
    directory.raise_marks(&[]).await.unwrap();

    // Either alone.
    directory.raise_marks(&[raised("c", "bob", 0, 9)]).await.unwrap();
    directory.raise_marks(&[raised("c", "bob", 8, 0)]).await.unwrap();
    let found = member(&directory, "c", "bob").await.unwrap();
    assert_eq!((found.delivered, found.read), (8, 9));
    let receipt = found.receipt();
    assert_eq!(
        (receipt.delivered, receipt.read),
        (9, 9),
        "what is read is delivered"
    );
}

/// Records of before there were read marks: what was delivered counted as read.
#[tokio::test]
async fn a_record_without_a_read_mark_is_read_as_far_as_it_is_delivered() {
    let settings = empty_settings(shared().await);
    let client = mongodb::Client::with_uri_str(&settings.uri).await.unwrap();
    let directory = Mongo::connect(settings).await.unwrap();
    let members = client
        .database(directory.database_name())
        .collection::<Document>("members");
    let marks = async || {
        let bob = member(&directory, "c", "bob").await.unwrap();
        (bob.delivered, bob.read)
    };
    let old = doc! {
        "conversation": "c", "user": "bob", "role": "member", "changed": 1_i64, "left": 0_i64,
        "delivered": 7_i64,
    };
    members.insert_one(old).await.unwrap();
    assert_eq!(marks().await, (7, 7));
    directory.raise_marks(&[raised("c", "bob", 8, 0)]).await.unwrap();
    assert_eq!(marks().await, (8, 8));
    directory.apply(&[end_member("c", "bob", 9)]).await.unwrap();
    assert_eq!(marks().await, (8, 8));
    directory
        .apply(&[set_member("c", "bob", Role::Member, 20)])
        .await
        .unwrap();
    assert_eq!(marks().await, (19, 19));
    directory
        .raise_marks(&[raised("c", "bob", 25, 21)])
        .await
        .unwrap();
    assert_eq!(marks().await, (25, 21));
}

#[tokio::test]
async fn present_members_are_read_in_pages_by_user() {
    let directory = empty_database().await;
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

#[tokio::test]
async fn lists_are_read_in_pages() {
    let directory = empty_database().await;
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

#[tokio::test]
async fn users_are_made_on_first_sight_and_keep_their_names() {
    let directory = empty_database().await;
    let client = mongodb::Client::with_uri_str(crate::server::shared().await.uri(""))
        .await
        .unwrap();
    let users = client
        .database(directory.database_name())
        .collection::<bson::Document>("users");
    let check = async |name: Option<&str>, expected: Option<&str>| {
        directory.saw_user(&user("alice"), name).await.unwrap();
        let stored = users
            .find_one(bson::doc! { "_id": "alice" })
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stored.get_str("name").ok(), expected);
        stored.get_i64("created_at").unwrap()
    };
    let created_at = check(None, None).await;
    assert_eq!(check(Some("Alice"), Some("Alice")).await, created_at);
    assert_eq!(check(None, Some("Alice")).await, created_at);
    assert_eq!(check(Some("Alice B."), Some("Alice B.")).await, created_at);
    let bob = user("bob");
    let at_once = (0..8).map(|_| directory.saw_user(&bob, Some("Bob")));
    for outcome in futures::future::join_all(at_once).await {
        outcome.unwrap();
    }
    assert_eq!(users.count_documents(bson::doc! {}).await.unwrap(), 2);
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
#[test]
fn effects_converge_to_the_last_change() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let directory = runtime.block_on(empty_database());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(96));
    let case = std::cell::Cell::new(0);
    let outcome = runner.run(
        &(changes(), any::<prop::sample::Index>()),
        |((changes, calls), recovery)| {
            case.set(case.get() + 1);
            let id = format!("c{}", case.get());
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

            let found = runtime.block_on(async {
                for effects in &calls {
                    directory.apply(effects).await.unwrap();
                }
                member(&directory, &id, "bob").await.unwrap()
            });
            let last = 2 + (changes.len() as Seq - 1) * 3;
            let expect = |holds: bool| {
                if holds {
                    Ok(())
                } else {
                    Err(TestCaseError::fail(format!("{calls:?} made {found:?}")))
                }
            };
            expect(found.changed == last)?;
            match changes.last().unwrap() {
                Some(role) => {
                    expect(found.left.is_none() && found.role == *role && found.delivered == last - 1)
                }
                None => expect(found.left == Some(last)),
            }
        },
    );
    outcome.unwrap();
}
