//! Sign-ins and their refresh tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use starling_core::ports::{Digest, Replacement, Rotation, SignInId, SignInRecord};

use crate::StorePorts;
use crate::sample::user;

const GRACE: Duration = Duration::from_secs(60);

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

async fn begin(sign_ins: &dyn StorePorts, whose: &str, digest: &Digest) -> SignInId {
    let record = SignInRecord {
        id: SignInId::fresh(),
        user: user(whose),
        device: Some("phone".into()),
        created_at: now(),
        used_at: now(),
        expires_at: now() + 60_000,
    };
    sign_ins.begin(&record, digest).await.unwrap();
    record.id
}

fn replacement(digest: u8, at: i64) -> Replacement {
    Replacement {
        digest: [digest; 32],
        salt: [digest + 100; 32],
        at,
        expires_at: at + 60_000,
        grace: GRACE,
    }
}

pub async fn a_token_is_replaced_once_and_shown_again_for_a_moment(sign_ins: &dyn StorePorts) {
    let id = begin(sign_ins, "ann", &[1; 32]).await;
    let at = now();
    let ann = || user("ann");
    let rotate = async |shown: u8, by: Replacement| sign_ins.rotate(&id, &[shown; 32], &by).await.unwrap();
    assert_eq!(rotate(9, replacement(2, at)).await, Rotation::Stale(ann()));
    assert_eq!(rotate(1, replacement(2, at)).await, Rotation::Rotated(ann()));
    let repeated = Rotation::Repeated {
        user: ann(),
        salt: [102; 32],
    };
    assert_eq!(rotate(1, replacement(3, at + 59_000)).await, repeated);
    let late = replacement(3, at + 59_900).at + 200;
    let stale = rotate(
        1,
        Replacement {
            at: late,
            ..replacement(3, late)
        },
    )
    .await;
    // Over the grace, and over the sign-in's own time, which the first replacement has set.
    assert_eq!(stale, Rotation::Over);
    assert_eq!(
        rotate(2, replacement(3, at + 1_000)).await,
        Rotation::Rotated(ann())
    );
    assert_eq!(
        rotate(1, replacement(4, at + 1_000)).await,
        Rotation::Stale(ann())
    );
    assert_eq!(
        rotate(2, replacement(4, at + 60_999)).await,
        Rotation::Repeated {
            user: ann(),
            salt: [103; 32],
        }
    );
    let unknown = sign_ins
        .rotate(&SignInId::fresh(), &[1; 32], &replacement(2, at))
        .await;
    assert_eq!(unknown.unwrap(), Rotation::Over);
}

pub async fn of_several_at_once_one_replaces_and_the_others_learn_with_what(sign_ins: &dyn StorePorts) {
    let id = begin(sign_ins, "ann", &[1; 32]).await;
    let at = now();
    let by: Vec<_> = (2..12).map(|digest| replacement(digest, at)).collect();
    let rotations = join_all(by.iter().map(|by| sign_ins.rotate(&id, &[1; 32], by))).await;
    let rotations: Vec<_> = rotations.into_iter().map(Result::unwrap).collect();
    let winner = rotations
        .iter()
        .position(|rotation| *rotation == Rotation::Rotated(user("ann")))
        .unwrap();
    for (index, rotation) in rotations.iter().enumerate() {
        let told = Rotation::Repeated {
            user: user("ann"),
            salt: by[winner].salt,
        };
        assert!(index == winner || *rotation == told, "{rotations:?}");
    }
}

pub async fn what_is_ended_is_ended_and_found(sign_ins: &dyn StorePorts) {
    let phone = begin(sign_ins, "ann", &[1; 32]).await;
    let tablet = begin(sign_ins, "ann", &[2; 32]).await;
    let bobs = begin(sign_ins, "bob", &[3; 32]).await;
    let listed = sign_ins.of_user(&user("ann"), 10).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].device.as_deref(), Some("phone"));
    assert_eq!(sign_ins.ended_since(0, 10).await.unwrap(), []);

    assert!(!sign_ins.end(&user("ann"), &bobs).await.unwrap(), "another's");
    assert!(!sign_ins.end(&user("ann"), &SignInId::fresh()).await.unwrap());
    assert!(sign_ins.is_in_force(&bobs).await.unwrap());
    let before = now();
    assert!(sign_ins.end(&user("ann"), &phone).await.unwrap());
    let ended = sign_ins.ended_since(before - 10_000, 10).await.unwrap();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].0, phone);
    assert!(
        sign_ins.end(&user("ann"), &phone).await.unwrap(),
        "it is over already"
    );
    assert_eq!(
        sign_ins.ended_since(ended[0].1, 10).await.unwrap(),
        ended,
        "when it was stays"
    );
    assert_eq!(sign_ins.ended_since(ended[0].1 + 1, 10).await.unwrap(), []);
    assert!(!sign_ins.is_in_force(&phone).await.unwrap());
    let rotation = sign_ins
        .rotate(&phone, &[1; 32], &replacement(5, now()))
        .await
        .unwrap();
    assert_eq!(rotation, Rotation::Over);

    sign_ins.end_all(&user("ann")).await.unwrap();
    assert!(!sign_ins.is_in_force(&tablet).await.unwrap());
    assert!(sign_ins.is_in_force(&bobs).await.unwrap());
    assert_eq!(sign_ins.of_user(&user("ann"), 10).await.unwrap(), []);
    let ended = sign_ins.ended_since(before - 10_000, 10).await.unwrap();
    // Those of one millisecond are in no particular order.
    assert!(ended.is_sorted_by_key(|(_, at)| *at), "{ended:?}");
    let mut ids: Vec<_> = ended.iter().map(|(id, _)| id.clone()).collect();
    ids.sort();
    let mut expected = [phone, tablet];
    expected.sort();
    assert_eq!(ids, expected);
    assert_eq!(sign_ins.ended_since(before - 10_000, 1).await.unwrap().len(), 1);
}
