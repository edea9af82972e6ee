//! Opening, closing, and what is on the disk in between.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use futures::future::join_all;
use rusqlite::Connection;
use starling_contract::sample::{conversation, keyed, message};
use starling_core::ports::{EntryLog, InsertError};
use starling_embedded::{EmbeddedError, Store};

#[tokio::test]
async fn what_was_committed_is_there_when_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("not/there/yet");
    let store = Store::open(&data).unwrap();
    store.insert(&[message("a", 1), message("a", 2)]).await.unwrap();
    drop(store);
    let store = Store::open(&data).unwrap();
    let read = store.read(&conversation("a"), 0, 9, 9).await.unwrap();
    assert_eq!(read, [message("a", 1), message("a", 2)]);

    let mode = |name: &str| fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    for file in ["starling.db", "starling.db-wal", "lock"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_second_one_is_told_who_is_first() {
    let directory = tempfile::tempdir().unwrap();
    let first = Store::open(directory.path()).unwrap();
    let refused = Store::open(directory.path()).err().unwrap();
    let said = refused.to_string();
    assert!(matches!(refused, EmbeddedError::InUse { .. }), "{said}");
    assert!(
        said.contains(&format!("process {}", std::process::id())),
        "{said}"
    );
    drop(first);
    Store::open(directory.path()).unwrap();
}

#[tokio::test]
async fn a_newer_schema_and_other_peoples_files_are_refused_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.insert(&[message("a", 1)]).await.unwrap();
    drop(store);
    let path = directory.path().join("starling.db");
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 4_711).unwrap();
    drop(db);
    let before = fs::read(&path).unwrap();
    let refused = Store::open(directory.path()).err().unwrap();
    assert!(
        matches!(refused, EmbeddedError::NewerSchema { found: 4_711, .. }),
        "{refused}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::remove_file(&path).unwrap();
    let db = Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(db);
    let refused = Store::open(directory.path()).err().unwrap();
    assert!(matches!(refused, EmbeddedError::Foreign { .. }), "{refused}");

    fs::write(
        &path,
        "no database at all, but long enough to be taken for one".repeat(100),
    )
    .unwrap();
    let refused = Store::open(directory.path()).err().unwrap();
    assert!(matches!(refused, EmbeddedError::Sqlite { .. }), "{refused}");
    fs::write(directory.path().join("file"), "").unwrap();
    let refused = Store::open(&directory.path().join("file")).err().unwrap();
    assert!(matches!(refused, EmbeddedError::Files { .. }), "{refused}");
}

/// Those whose writes share a commit do not share its fate where one of them fails by itself.
#[tokio::test]
async fn many_write_at_once_and_each_has_its_own_answer() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.insert(&[message("taken", 1)]).await.unwrap();
    let written = join_all((0..500).map(|n| {
        let store = store.clone();
        async move {
            let id = if n % 10 == 0 {
                "taken".to_owned()
            } else {
                format!("c{n}")
            };
            store.insert(&[keyed(&id, 1, "bob", &format!("k{n}"))]).await
        }
    }));
    for (n, written) in written.await.into_iter().enumerate() {
        let expected = if n % 10 == 0 {
            Err(InsertError::Duplicate { index: 0 })
        } else {
            Ok(())
        };
        assert_eq!(written, expected, "{n}");
    }
    let ids: Vec<_> = (0..500).map(|n| conversation(&format!("c{n}"))).collect();
    assert_eq!(store.heads(&ids).await.unwrap().len(), 450);
}

/// A caller who gives up loses nothing but his answer.
#[tokio::test]
async fn a_call_that_is_dropped_disturbs_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for seq in 1..=50 {
        let batch = [message("a", seq)];
        let mut insert = Box::pin(store.insert(&batch));
        let _ = futures::poll!(&mut insert);
        drop(insert);
        let _ = futures::poll!(Box::pin(store.head(&conversation("a"))));
    }
    store.insert(&[message("b", 1)]).await.unwrap();
    let head = store.head(&conversation("a")).await.unwrap().unwrap();
    assert_eq!(head.seq, 50, "each was on its way already");
    assert!(store.head(&conversation("b")).await.unwrap().is_some());
}
