//! What only this directory has: records of earlier versions.

use bson::{Document, doc};
use starling_contract::sample::{conversation, end_member, raised, set_member, user};
use starling_core::ports::Directory;
use starling_mongo::Mongo;
use starling_protocol::Role;

use crate::server::{empty_settings, shared};

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
        let bob = directory
            .member(&conversation("c"), &user("bob"))
            .await
            .unwrap()
            .unwrap();
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
