//! What an operator sees in Redis while people talk: the keys of docs/redis.md, under their names.

use std::time::Duration;

use starling_cluster::Reply;
use starling_protocol::{Availability, SetPresence};

use crate::stage::{Stage, eventually, user};

#[tokio::test]
async fn the_documented_keys_are_there_while_people_talk() {
    let stage = Stage::start("keys").await;
    let (ann, bob) = (stage.client_at(0, "ann").await, stage.client_at(1, "bob").await);
    let id = ann
        .create_group(vec![user("bob"), user("carol")])
        .await
        .unwrap()
        .id;
    let kind = async |key: String| match stage.redis().command(&["TYPE", &key]).await.unwrap() {
        Reply::Text(kind) => kind,
        other => panic!("{other:?}"),
    };
    let away = SetPresence {
        state: Some(Availability::Away),
        text: None,
    };
    bob.set_presence(away).await.unwrap();
    // The lock lives for moments: look for it while sends go on.
    let talk = async {
        loop {
            tokio::join!(async { ann.send(&id, "from ann").await.unwrap() }, async {
                bob.send(&id, "from bob").await.unwrap()
            });
        }
    };
    let look = async {
        for (key, expected) in [
            (format!("lock:conversation:{{{id}}}"), "string"),
            (format!("seq:{{{id}}}"), "hash"),
            (format!("route:{{{id}}}"), "set"),
            (format!("recent:{{{id}}}"), "list"),
            ("user:{ann}".into(), "hash"),
            ("user:{bob}".into(), "hash"),
            ("queue:{carol}".into(), "hash"),
            ("nodes:{all}".into(), "set"),
            ("away:{bob}".into(), "set"),
        ] {
            eventually(&key, Duration::from_secs(20), async || {
                (kind(key.clone()).await == expected).then_some(())
            })
            .await;
        }
    };
    tokio::select! {
        () = talk => {}
        () = look => {}
    }
    let documented =
        std::fs::read_to_string(starling_cluster::workspace_root().join("docs/redis.md")).unwrap();
    for name in [
        "lock:conversation:",
        "seq:",
        "route:",
        "user:",
        "queue:",
        "alive:",
        "node:",
        "waiters:",
        "rate:",
        "nodes:",
        "users:",
        "away:",
        "code:",
        "quota:",
        "recent:",
        "polls:",
        "events:",
        "taken:",
    ] {
        assert!(
            documented.contains(&format!("`{name}{{")),
            "docs/redis.md lacks {name}"
        );
    }
}
