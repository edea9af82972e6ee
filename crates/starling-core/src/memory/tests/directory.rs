//! The directory's contract.

use starling_protocol::{Kind, Profile, Role};

use super::super::MemoryStore;
use super::*;
use crate::ports::{ConversationRecord, Directory, Effect, FOR_EVER, MarksRaised, Sanction};

fn record(c: &str, applied: Seq) -> ConversationRecord {
    ConversationRecord {
        id: conversation(c),
        kind: Kind::Group,
        name: None,
        description: None,
        avatar_url: None,
        open: false,
        updated: 0,
        created_by: user("alice"),
        created_at: 0,
        applied,
        dissolved: None,
    }
}

fn create(c: &str, applied: Seq) -> Effect {
    Effect::CreateConversation(record(c, applied))
}

fn set(c: &str, who: &str, role: Role, seq: Seq) -> Effect {
    Effect::SetMember {
        conversation: conversation(c),
        user: user(who),
        role,
        seq,
    }
}

fn end(c: &str, who: &str, seq: Seq) -> Effect {
    Effect::EndMember {
        conversation: conversation(c),
        user: user(who),
        seq,
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_is_made_once() {
    let store = MemoryStore::new();
    store.apply(&[create("a", 0)]).await.unwrap();
    store
        .mark_applied(&[(conversation("a"), 4), (conversation("none"), 4)])
        .await
        .unwrap();
    store.mark_applied(&[(conversation("a"), 3)]).await.unwrap();
    store.apply(&[create("a", 1)]).await.unwrap();

    assert_eq!(
        store.conversation(&conversation("a")).await.unwrap(),
        Some(record("a", 4))
    );
    assert_eq!(store.conversation(&conversation("none")).await.unwrap(), None);
    let found = store
        .conversations(&[conversation("none"), conversation("a")])
        .await
        .unwrap();
    assert_eq!(found, [record("a", 4)]);
}

#[tokio::test(start_paused = true)]
async fn scans_go_by_id_from_after_the_last_page() {
    let store = MemoryStore::new();
    store
        .apply(&[create("c", 3), create("a", 1), create("b", 2)])
        .await
        .unwrap();
    let first = store.scan(None, 2).await.unwrap();
    assert_eq!(first, [(conversation("a"), 1), (conversation("b"), 2)]);
    assert_eq!(
        store.scan(Some(&first[1].0), 2).await.unwrap(),
        [(conversation("c"), 3)]
    );
    assert!(store.scan(Some(&conversation("c")), 2).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn effects_are_guarded_by_the_seq_that_made_them() {
    let history = [
        set("a", "bob", Role::Member, 2),
        end("a", "bob", 4),
        set("a", "bob", Role::Moderator, 6),
        end("a", "bob", 8),
    ];
    let store = MemoryStore::new();
    store.apply(&history).await.unwrap();
    let after_all = store.member_records(&conversation("a"));
    assert_eq!(
        (
            after_all[0].role,
            after_all[0].changed,
            after_all[0].left,
            after_all[0].delivered
        ),
        (Role::Moderator, 8, Some(8), 5)
    );

    // Every part of the history may be applied again, in any state.
    for from in 0..history.len() {
        store.apply(&history[from..]).await.unwrap();
        assert_eq!(
            store.member_records(&conversation("a")),
            after_all,
            "applied again from {from}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_membership_holds_even_where_its_beginning_comes_later() {
    let store = MemoryStore::new();
    store.apply(&[end("a", "bob", 4)]).await.unwrap();
    store.apply(&[set("a", "bob", Role::Member, 2)]).await.unwrap();
    let bob = store
        .member(&conversation("a"), &user("bob"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((bob.changed, bob.left), (4, Some(4)));
    assert!(
        store
            .memberships(&user("bob"), None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

fn raised(conversation_id: &str, user_id: &str, mark: Seq) -> MarksRaised {
    MarksRaised {
        conversation: conversation(conversation_id),
        user: user(user_id),
        delivered: mark,
        read: mark - 1,
    }
}

#[tokio::test(start_paused = true)]
async fn new_members_are_owed_nothing_older() {
    let store = MemoryStore::new();
    store.apply(&[set("a", "bob", Role::Member, 7)]).await.unwrap();
    let marks = async || {
        let bob = store.member(&conversation("a"), &user("bob")).await;
        let bob = bob.unwrap().unwrap();
        (bob.delivered, bob.read)
    };
    assert_eq!(marks().await, (6, 6));

    store.raise_marks(&[raised("a", "bob", 20)]).await.unwrap();
    store.raise_marks(&[raised("a", "bob", 12)]).await.unwrap();
    assert_eq!(marks().await, (20, 19));
    store.apply(&[set("a", "bob", Role::Admin, 15)]).await.unwrap();
    assert_eq!(marks().await, (20, 19), "a mark does not go back");
}

#[tokio::test(start_paused = true)]
async fn marks_of_strangers_are_ignored() {
    let store = MemoryStore::new();
    store.apply(&[set("a", "bob", Role::Member, 2)]).await.unwrap();
    let marks = [raised("a", "eve", 9), raised("b", "bob", 9)];
    store.raise_marks(&marks).await.unwrap();
    assert_eq!(
        store.member(&conversation("a"), &user("eve")).await.unwrap(),
        None
    );
    assert_eq!(
        store.member(&conversation("b"), &user("bob")).await.unwrap(),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn memberships_are_the_present_ones_by_page() {
    let store = MemoryStore::new();
    let joined = ["d", "b", "a", "c"].map(|c| set(c, "bob", Role::Member, 2));
    store.apply(&joined).await.unwrap();
    store
        .apply(&[end("b", "bob", 3), set("a", "eve", Role::Member, 3)])
        .await
        .unwrap();

    let page = async |after: Option<&str>, limit| {
        let after = after.map(conversation);
        let page = store
            .memberships(&user("bob"), after.as_ref(), limit)
            .await
            .unwrap();
        page.into_iter()
            .map(|record| record.conversation.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, ["a", "c"]);
    assert_eq!(page(Some("c"), 2).await, ["d"]);
    assert_eq!(page(Some("b"), 9).await, ["c", "d"]);

    let members = store.members(&conversation("b")).await.unwrap();
    assert_eq!(members.len(), 1, "former members stay on record");
}

#[tokio::test(start_paused = true)]
async fn users_keep_the_last_name_they_gave() {
    let store = MemoryStore::new();
    for name in [None, Some("Bob"), None] {
        store.saw_user(&user("bob"), name).await.unwrap();
    }
    assert_eq!(store.users(), [(user("bob"), Some("Bob".into()))]);
}

#[tokio::test(start_paused = true)]
async fn what_governs_is_guarded_part_by_part() {
    let c = conversation("a");
    let role = |role, seq| Effect::SetRole {
        conversation: c.clone(),
        user: user("bob"),
        role,
        seq,
    };
    let sanction = |sanction, seq| Effect::Sanction {
        conversation: c.clone(),
        user: user("bob"),
        sanction,
        seq,
    };
    let profile = |name: &str, seq| Effect::SetProfile {
        conversation: c.clone(),
        profile: Profile {
            name: Some(name.into()),
            ..Profile::default()
        },
        seq,
    };
    let effects = [
        create("a", 0),
        set("a", "bob", Role::Member, 2),
        role(Role::Moderator, 3),
        sanction(Sanction::Ban(true), 4),
        sanction(Sanction::Mute(Some(FOR_EVER)), 5),
        profile("one", 6),
        sanction(Sanction::Ban(false), 7),
        role(Role::Admin, 8),
        profile("two", 9),
        sanction(Sanction::Mute(Some(50)), 10),
    ];
    let store = MemoryStore::new();
    store.apply(&effects).await.unwrap();
    // Each may come again, late, in any state.
    for late in &effects {
        store.apply(std::slice::from_ref(late)).await.unwrap();
        let bob = store.member(&c, &user("bob")).await.unwrap().unwrap();
        assert_eq!((bob.role, bob.role_changed, bob.changed), (Role::Admin, 8, 2));
        let found = store.sanctions(&c).await.unwrap();
        assert_eq!(
            (found[0].banned, found[0].muted_until, found[0].changed),
            (false, Some(50), 10)
        );
        let record = store.conversation(&c).await.unwrap().unwrap();
        assert_eq!((record.name.as_deref(), record.updated), (Some("two"), 9));
    }
    store
        .apply(&[Effect::SetRole {
            conversation: c.clone(),
            user: user("eve"),
            role: Role::Admin,
            seq: 11,
        }])
        .await
        .unwrap();
    assert_eq!(store.member(&c, &user("eve")).await.unwrap(), None);
}
