//! Users and their phone numbers.

use futures::future::join_all;
use starling_core::people::Phone;
use starling_core::ports::ProfileUpdate;

use crate::StorePorts;
use crate::sample::user;

fn phone() -> Phone {
    Phone::from_stored("+4915123456789")
}

pub async fn a_number_has_one_user_however_many_register_it_at_once(accounts: &dyn StorePorts) {
    assert_eq!(accounts.user_of(&phone()).await.unwrap(), None);
    let number = phone();
    let fresh: Vec<_> = (0..20).map(|n| user(&format!("u-{n}"))).collect();
    let registered = join_all(
        fresh
            .iter()
            .map(|user| accounts.register(&number, user, Some("Ann"))),
    )
    .await;
    let registered: Vec<_> = registered.into_iter().map(Result::unwrap).collect();
    let ann = registered[0].0.clone();
    assert!(registered.iter().all(|(user, _)| *user == ann), "{registered:?}");
    assert_eq!(registered.iter().filter(|(_, is_new)| *is_new).count(), 1);
    assert_eq!(accounts.user_of(&phone()).await.unwrap(), Some(ann.clone()));
    let profiles = accounts.profiles(std::slice::from_ref(&ann)).await.unwrap();
    assert_eq!(profiles.len(), 1);
    assert_eq!(profiles[0].phone, Some(phone()));
    assert_eq!(profiles[0].name.as_deref(), Some("Ann"));
    let later = accounts
        .register(&phone(), &user("u-later"), Some("Another"))
        .await
        .unwrap();
    assert_eq!(later, (ann, false));
}

pub async fn a_profile_changes_field_by_field(accounts: &dyn StorePorts) {
    let ann = user("ann");
    let change = async |update: ProfileUpdate| accounts.update_profile(&ann, &update).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    let made = change(ProfileUpdate {
        about: text("Hello"),
        avatar_url: text("https://example.org/a.png"),
        ..ProfileUpdate::default()
    })
    .await;
    assert_eq!((made.name, made.about), (None, text("Hello")));
    // Names in tokens count until one is chosen.
    accounts.saw_user(&ann, Some("ann of the token")).await.unwrap();
    let named = accounts.profiles(std::slice::from_ref(&ann)).await.unwrap();
    assert_eq!(named[0].name.as_deref(), Some("ann of the token"));
    let chosen = change(ProfileUpdate {
        name: text("$Ann"),
        about: text(""),
        ..ProfileUpdate::default()
    })
    .await;
    assert_eq!((chosen.name.as_deref(), chosen.about), (Some("$Ann"), None));
    assert!(chosen.avatar_url.is_some());
    accounts.saw_user(&ann, Some("another token")).await.unwrap();
    let kept = accounts.profiles(&[ann.clone(), user("nobody")]).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].name.as_deref(), Some("$Ann"));
}
