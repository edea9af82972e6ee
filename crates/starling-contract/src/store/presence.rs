//! What is kept of presence.

use starling_core::ports::Remembered;
use starling_protocol::Role;

use crate::StorePorts;
use crate::sample::{end_member, set_member, user};

pub async fn texts_and_last_times_are_kept_of_users_known_and_unknown(store: &dyn StorePorts) {
    store.saw_user(&user("ann"), Some("Ann")).await.unwrap();
    for name in ["ann", "new"] {
        store.set_text(&user(name), Some("at sea")).await.unwrap();
    }
    store.seen(&[user("ann"), user("bob")], 50).await.unwrap();
    store.seen(&[user("ann")], 40).await.unwrap();
    store.seen(&[], 90).await.unwrap();
    store.set_text(&user("new"), None).await.unwrap();
    let asked = ["bob", "nobody", "ann", "new"].map(user);
    let remembered = |text: Option<&str>, last_seen| Remembered {
        text: text.map(str::to_owned),
        last_seen,
    };
    assert_eq!(
        store.remembered(&asked).await.unwrap(),
        [
            remembered(None, Some(50)),
            remembered(None, None),
            remembered(Some("at sea"), Some(50)),
            remembered(None, None),
        ]
    );
    // Who was made by this is a user like any other.
    store.saw_user(&user("bob"), Some("Bob")).await.unwrap();
    assert_eq!(store.remembered(&[]).await.unwrap(), []);
}

pub async fn those_share_a_conversation_who_are_members_of_one_now(store: &dyn StorePorts) {
    let member = |id, name| set_member(id, name, Role::Member, 1);
    store
        .apply(&[
            member("a", "ann"),
            member("a", "bob"),
            member("b", "ann"),
            member("b", "eve"),
            end_member("b", "eve", 2),
            member("c", "zoe"),
        ])
        .await
        .unwrap();
    let others = ["bob", "eve", "zoe", "nobody"].map(user);
    let of = async |name: &str| store.sharing(&user(name), &others).await.unwrap();
    assert_eq!(of("ann").await, [user("bob")]);
    assert_eq!(of("bob").await, [user("bob")], "himself");
    assert_eq!(of("eve").await, []);
    assert_eq!(of("nobody").await, []);
    assert_eq!(store.sharing(&user("ann"), &[]).await.unwrap(), []);
}
