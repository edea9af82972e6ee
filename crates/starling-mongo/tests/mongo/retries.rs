//! What the driver's retries make of lost replies, with the server's own fail points.

use bson::{Document, doc};
use mongodb::{Client, Database};
use starling_core::ports::{Directory, EntryLog, InsertError};
use starling_mongo::Mongo;
use starling_protocol::Role;

use crate::server::{Set, empty_settings};
use starling_contract::sample::{conversation, keyed, message, seqs, set_member, user};

async fn fail(admin: &Database, point: &str, times: i32, data: Document) {
    let command = doc! { "configureFailPoint": point, "mode": { "times": times }, "data": data };
    admin.run_command(command).await.unwrap();
}

/// How many statements the server recognised as done before.
async fn retried_statements(admin: &Database) -> i64 {
    let status = admin.run_command(doc! { "serverStatus": 1 }).await.unwrap();
    status
        .get_document("transactions")
        .unwrap()
        .get_i64("retriedStatementsCount")
        .unwrap()
}

#[tokio::test]
async fn lost_replies_neither_double_nor_lose_an_entry() {
    let set = Set::of_one(&["--setParameter", "enableTestCommands=1"]).await;
    let mongo = Mongo::connect(empty_settings(&set)).await.unwrap();
    let admin = Client::with_uri_str(set.members[0].uri())
        .await
        .unwrap()
        .database("admin");
    let c = conversation("c");
    mongo.insert(&[message("c", 1)]).await.unwrap();

    // Written, then the connection breaks: the retry is told that it was done.
    fail(
        &admin,
        "onPrimaryTransactionalWrite",
        1,
        doc! { "closeConnection": true },
    )
    .await;
    mongo.insert(&[message("c", 2), message("c", 3)]).await.unwrap();
    assert_eq!(retried_statements(&admin).await, 2);
    // Likewise for what is before a collision; the retry goes on and collides.
    fail(
        &admin,
        "onPrimaryTransactionalWrite",
        1,
        doc! { "closeConnection": true },
    )
    .await;
    let batch = [message("c", 4), keyed("c", 1, "bob", "b1"), message("c", 5)];
    assert_eq!(
        mongo.insert(&batch).await,
        Err(InsertError::Duplicate { index: 1 })
    );
    assert_eq!(retried_statements(&admin).await, 3);
    // The collision's reply is lost, and the retry finds it again.
    let break_once = doc! { "failCommands": ["insert"], "closeConnection": true };
    fail(&admin, "failCommand", 1, break_once.clone()).await;
    assert_eq!(
        mongo.insert(&[message("c", 4)]).await,
        Err(InsertError::Duplicate { index: 0 })
    );
    assert_eq!(seqs(&mongo.read(&c, 0, 9, 9).await.unwrap()), [1, 2, 3, 4]);

    // The retry's reply is lost, too.
    fail(&admin, "failCommand", 2, break_once).await;
    let outcome = mongo.insert(&[message("c", 5)]).await;
    assert!(matches!(outcome, Err(InsertError::Unknown(_))), "{outcome:?}");
    mongo.insert(&[message("c", 5)]).await.unwrap();

    // Written, but not known to be held by a majority; alone, and beside a collision.
    let no_majority = doc! {
        "failCommands": ["insert"], "writeConcernError": { "code": 64, "errmsg": "waiting timed out" },
    };
    fail(&admin, "failCommand", 1, no_majority.clone()).await;
    let outcome = mongo.insert(&[message("c", 6)]).await;
    assert!(matches!(outcome, Err(InsertError::Unknown(_))), "{outcome:?}");
    fail(&admin, "failCommand", 1, no_majority).await;
    let outcome = mongo.insert(&[message("c", 7), message("c", 6)]).await;
    assert!(matches!(outcome, Err(InsertError::Unknown(_))), "{outcome:?}");
    // A primary that steps down: the driver looks for the next and finishes there.
    let steps_down =
        doc! { "failCommands": ["insert"], "errorCode": 11602, "errorLabels": ["RetryableWriteError"] };
    fail(&admin, "failCommand", 1, steps_down).await;
    mongo.insert(&[message("c", 8)]).await.unwrap();
    assert_eq!(
        seqs(&mongo.read(&c, 0, 9, 9).await.unwrap()),
        [1, 2, 3, 4, 5, 6, 7, 8]
    );

    // Updates and reads.
    let broken = |command: &str| doc! { "failCommands": [command], "closeConnection": true };
    fail(&admin, "failCommand", 1, broken("update")).await;
    mongo
        .apply(&[set_member("c", "bob", Role::Member, 1)])
        .await
        .unwrap();
    fail(&admin, "failCommand", 1, broken("update")).await;
    mongo.saw_user(&user("bob"), Some("Bob")).await.unwrap();
    fail(&admin, "failCommand", 1, broken("find")).await;
    assert_eq!(mongo.head(&c).await.unwrap(), Some(message("c", 8)));
    fail(&admin, "failCommand", 1, broken("aggregate")).await;
    assert_eq!(mongo.heads(&[c]).await.unwrap(), [message("c", 8)]);
}
