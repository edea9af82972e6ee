//! A server that hangs: it accepts connections and says nothing.

use std::time::Duration;

use starling_core::ports::{Directory, EntryLog, InsertError};
use starling_mongo::{Mongo, MongoSettings};
use starling_protocol::Role;
use tokio::time::{Instant, sleep};

use crate::server::{Set, empty_settings};
use starling_contract::sample::{client_id, conversation, message, seqs, set_member, user};

const READ: Duration = Duration::from_millis(700);
const WRITE: Duration = Duration::from_millis(1_200);
const PING: Duration = Duration::from_millis(500);
/// For the scheduler of a busy machine.
const SLACK: Duration = Duration::from_millis(700);

async fn impatient(settings: MongoSettings) -> Mongo {
    let settings = MongoSettings {
        read_timeout: READ,
        write_timeout: WRITE,
        majority_timeout: Duration::from_secs(1),
        ping_timeout: PING,
        max_pool_size: 8,
        ..settings
    };
    Mongo::connect(settings).await.unwrap()
}

async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let outcome = work.await;
    assert!(
        start.elapsed() < limit + SLACK,
        "{what} took {:?}",
        start.elapsed()
    );
    outcome
}

#[tokio::test]
async fn every_call_ends_in_time_and_an_insert_may_land_late() {
    let set = Set::of_one(&[]).await;
    let settings = empty_settings(&set);
    let patient = Mongo::connect(settings.clone()).await.unwrap();
    let mongo = impatient(settings).await;
    let c = conversation("c");
    patient.insert(&[message("c", 1)]).await.unwrap();

    let halted = set.members[0].halt().await;
    let late = within(WRITE, "insert", mongo.insert(&[message("c", 2)])).await;
    assert!(matches!(late, Err(InsertError::Unknown(_))), "{late:?}");
    assert!(within(READ, "head", mongo.head(&c)).await.is_err());
    assert!(
        within(READ, "heads", mongo.heads(std::slice::from_ref(&c)))
            .await
            .is_err()
    );
    assert!(within(READ, "members", mongo.members(&c)).await.is_err());
    let effects = [set_member("c", "bob", Role::Member, 1)];
    assert!(within(WRITE, "apply", mongo.apply(&effects)).await.is_err());
    let (bob, marks) = (user("bob"), [(c.clone(), 1)]);
    assert!(
        within(WRITE, "saw_user", mongo.saw_user(&bob, None))
            .await
            .is_err()
    );
    assert!(
        within(WRITE, "mark_applied", mongo.mark_applied(&marks))
            .await
            .is_err()
    );
    assert!(within(PING, "ping", mongo.ping()).await.is_err());
    // More calls than the pool has connections, while the monitor finds out that the server does not answer.
    let many = (0..40).map(|_| within(READ, "read", mongo.read(&c, 0, 9, 9)));
    assert!(futures::future::join_all(many).await.iter().all(Result::is_err));
    drop(halted);

    let key = [(user("alice"), client_id("k2"))];
    let deadline = Instant::now() + Duration::from_secs(60);
    let found = loop {
        match patient.find(&c, &key).await {
            Ok(found) if !found.is_empty() => break found,
            other => assert!(
                Instant::now() < deadline,
                "the late insert has not landed: {other:?}"
            ),
        }
        sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(found, [message("c", 2)]);
    assert_eq!(
        patient.insert(&[message("c", 2)]).await,
        Err(InsertError::Duplicate { index: 0 })
    );
    patient.insert(&[message("c", 3)]).await.unwrap();
    assert_eq!(seqs(&patient.read(&c, 0, 9, 9).await.unwrap()), [1, 2, 3]);
    // The one that was kept waiting finds it again, too.
    while mongo.ping().await.is_err() {
        assert!(Instant::now() < deadline, "it is not found again");
        sleep(Duration::from_millis(50)).await;
    }
}
