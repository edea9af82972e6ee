//! Initiating a replica set, and what is refused.

use std::time::Duration;

use starling_core::ports::Directory;
use starling_mongo::{Mongo, MongoError, MongoSettings, ReplicaSet, ReplicaSetOutcome, init_replica_set};

use crate::server::Mongod;

#[tokio::test]
async fn a_set_is_initiated_once_however_often_it_is_asked_for() {
    let member = Mongod::start(&["--replSet", "one"]);
    let set = ReplicaSet::new("one", [member.address.clone()]);
    let uri = member.uri();
    let (first, second) = tokio::join!(init_replica_set(&uri, &set), init_replica_set(&uri, &set));
    let outcomes = [first.unwrap(), second.unwrap()];
    assert!(outcomes.contains(&ReplicaSetOutcome::Initiated), "{outcomes:?}");
    let third = init_replica_set(&uri, &set).await.unwrap();
    assert_eq!(third, ReplicaSetOutcome::AlreadyInitiated);

    let mongo = Mongo::connect(MongoSettings::new(&uri)).await.unwrap();
    assert_eq!(mongo.database_name(), "starling");
    mongo.ping().await.unwrap();

    let other = ReplicaSet::new("another", [member.address.clone()]);
    let refused = init_replica_set(&uri, &other).await;
    assert!(matches!(refused, Err(MongoError::Deployment(_))), "{refused:?}");
}

#[tokio::test]
async fn waiting_for_a_set_ends() {
    let set = ReplicaSet {
        patience: Duration::from_secs(1),
        ..ReplicaSet::new("one", ["127.0.0.1:1"])
    };
    let outcome = init_replica_set("mongodb://127.0.0.1:1/", &set).await;
    assert!(matches!(outcome, Err(MongoError::Unavailable(_))), "{outcome:?}");
}

#[tokio::test]
async fn wrong_settings_are_told_from_an_absent_server() {
    let wrong = Mongo::connect(MongoSettings::new("postgres://localhost/")).await;
    assert!(matches!(wrong, Err(MongoError::Settings(_))), "{wrong:?}");
    let quick = MongoSettings {
        startup_timeout: Duration::from_secs(1),
        ..MongoSettings::new("mongodb://127.0.0.1:1/")
    };
    let absent = Mongo::connect(quick).await;
    assert!(matches!(absent, Err(MongoError::Unavailable(_))), "{absent:?}");
}

#[tokio::test]
async fn a_single_server_is_refused() {
    let single = Mongod::start(&[]);
    let refused = Mongo::connect(MongoSettings::new(single.uri())).await;
    assert!(matches!(refused, Err(MongoError::Deployment(_))), "{refused:?}");
    let refused = init_replica_set(&single.uri(), &ReplicaSet::new("one", [single.address.clone()])).await;
    assert!(matches!(refused, Err(MongoError::Deployment(_))), "{refused:?}");
}

#[tokio::test]
async fn a_set_that_is_initiated_later_is_waited_for() {
    let member = Mongod::start(&["--replSet", "one"]);
    let settings = MongoSettings {
        write_timeout: Duration::from_secs(1),
        majority_timeout: Duration::from_millis(800),
        ..MongoSettings::new(member.uri())
    };
    let connecting = tokio::spawn(Mongo::connect(settings));
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!connecting.is_finished());
    init_replica_set(&member.uri(), &ReplicaSet::new("one", [member.address.clone()]))
        .await
        .unwrap();
    connecting.await.unwrap().unwrap().ping().await.unwrap();
}
