//! A set of three: without its majority, and without its primary.

use std::time::Duration;

use starling_core::ports::{Directory, EntryLog, InsertError};
use starling_mongo::{Mongo, MongoSettings};
use starling_protocol::{Role, Seq};
use tokio::time::{Instant, sleep};

use crate::server::{Mongod, Set, empty_settings};
use starling_contract::sample::{conversation, keyed, message, seqs, set_member, user};

const PATIENCE: Duration = Duration::from_secs(90);
/// Longer than all that is asked of a primary before it sees that nobody follows it.
const ELECTION: Duration = Duration::from_secs(12);

async fn primary_of(set: &Set) -> &Mongod {
    let deadline = Instant::now() + PATIENCE;
    loop {
        for member in &set.members {
            let uri = format!(
                "{}?directConnection=true&serverSelectionTimeoutMS=500",
                member.uri()
            );
            let admin = mongodb::Client::with_uri_str(uri)
                .await
                .unwrap()
                .database("admin");
            let hello = admin.run_command(bson::doc! { "hello": 1 }).await;
            if hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap()) {
                return member;
            }
        }
        assert!(Instant::now() < deadline, "no primary");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Inserts an entry as the engine does: again and again with the same key, until it is known to be stored. Tells
/// how often the outcome was unknown.
async fn insert_surely(mongo: &Mongo, seq: Seq) -> usize {
    let deadline = Instant::now() + PATIENCE;
    let entry = message("c", seq);
    let key = [(user("alice"), entry.client_id.clone().unwrap())];
    let mut unknown = 0;
    loop {
        match mongo.insert(std::slice::from_ref(&entry)).await {
            Ok(()) => return unknown,
            Err(InsertError::Duplicate { index }) => {
                assert_eq!(index, 0);
                if mongo
                    .find(&entry.conversation, &key)
                    .await
                    .is_ok_and(|found| found == [entry.clone()])
                {
                    return unknown;
                }
            }
            Err(InsertError::Unknown(_)) => unknown += 1,
        }
        assert!(Instant::now() < deadline, "entry {seq} cannot be inserted");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for a primary that a majority follows.
async fn answers(mongo: &Mongo) {
    let deadline = Instant::now() + PATIENCE;
    while mongo.ping().await.is_err() {
        assert!(Instant::now() < deadline, "no majority");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn without_a_majority_the_outcome_is_unknown_and_a_new_primary_takes_over() {
    let set = Set::start(3, ELECTION, &[]).await;
    let settings = MongoSettings {
        read_timeout: Duration::from_secs(5),
        write_timeout: Duration::from_secs(4),
        majority_timeout: Duration::from_secs(1),
        ping_timeout: Duration::from_secs(1),
        ..empty_settings(&set)
    };
    let mongo = Mongo::connect(settings).await.unwrap();
    let c = conversation("c");
    insert_surely(&mongo, 1).await;
    answers(&mongo).await;

    // The primary alone: it collides, and has no majority for what it wrote before.
    let primary = primary_of(&set).await;
    let others = set
        .members
        .iter()
        .filter(|member| member.address != primary.address);
    let halted = futures::future::join_all(others.map(Mongod::halt)).await;
    let batch = [message("c", 2), keyed("c", 1, "bob", "b1")];
    let outcome = mongo.insert(&batch).await;
    let Err(InsertError::Unknown(reason)) = &outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        reason.contains("[11000]") && reason.contains("write concern error"),
        "{reason}"
    );
    // It is not in doubt that the primary is there, only that anyone follows it.
    assert!(mongo.ping().await.is_err());
    assert!(
        mongo
            .apply(&[set_member("c", "bob", Role::Member, 1)])
            .await
            .is_err()
    );
    assert_eq!(
        mongo.head(&c).await.map(|head| head.map(|head| head.seq)),
        Ok(Some(1)),
        "not majority-committed"
    );
    drop(halted);
    insert_surely(&mongo, 2).await;

    // The primary is gone, and another is elected.
    let mut unknown = 0;
    for seq in 3..=60 {
        if seq == 10 {
            primary_of(&set).await.kill();
        }
        unknown += insert_surely(&mongo, seq).await;
    }
    assert!(unknown > 0, "the election went unnoticed");
    answers(&mongo).await;
    assert_eq!(
        seqs(&mongo.read(&c, 0, 100, 100).await.unwrap()),
        (1..=60).collect::<Vec<_>>()
    );
    mongo
        .apply(&[set_member("c", "bob", Role::Member, 1)])
        .await
        .unwrap();
}
