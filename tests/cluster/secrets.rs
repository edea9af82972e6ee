//! Tokens that clients put into addresses, since they cannot do better, are in no log: not at the most talkative level.

use std::fs;

use tokio::time::Duration;

use crate::raw::{Raw, Received};
use crate::stage::{Stage, eventually};

const JSON: &str = "starling.v1.json";

#[tokio::test]
async fn a_token_in_an_address_is_in_no_log() {
    let stage = Stage::start_with("secrets", |mut config| {
        config.nodes = 1;
        config.with_env("STARLING_LOG", "trace")
    })
    .await;
    let token = stage.token("ann").unwrap();
    let refused = format!("{token}x");

    let mut taken = Raw::connect(&format!("{}?token={token}", stage.front_ws_url()), JSON, None)
        .await
        .unwrap();
    assert!(taken.json().await["ready"].is_object());
    drop(taken);
    let address = format!("{}?token={refused}", stage.front_ws_url());
    assert!(Raw::connect(&address, JSON, None).await.is_err());
    // A page of the kind that a person may have opened by such an address, and polling by Socket.IO.
    let front = stage.front_url();
    for path in ["/", "/v1/me", "/nowhere", "/socket.io/?EIO=4&transport=polling"] {
        let separator = if path.contains('?') { '&' } else { '?' };
        let address = format!("{front}{path}{separator}token={token}");
        reqwest::get(address).await.unwrap().bytes().await.unwrap();
    }
    let mut silent = Raw::connect(&stage.front_ws_url(), JSON, None).await.unwrap();
    silent
        .send(format!(r#"{{"id":1,"auth":{{"token":"{refused}"}}}}"#).into())
        .await;
    while !matches!(silent.receive().await, Received::Closed(_)) {}

    let logs = stage.dir().join("logs");
    let read = || {
        let files = fs::read_dir(&logs).unwrap().map(|entry| entry.unwrap().path());
        files
            .map(|path| {
                (
                    path.clone(),
                    String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
                )
            })
            .collect::<Vec<_>>()
    };
    // HAProxy tells of a WebSocket when it has ended.
    eventually(
        "the requests are in the logs",
        Duration::from_secs(30),
        async || {
            let all = read();
            let told = |what: &str| all.iter().any(|(_, text)| text.contains(what));
            (told("GET \"/ws\"") && told("GET \"/nowhere\"") && told(" TRACE ")).then_some(())
        },
    )
    .await;
    let secret = token.rsplit('.').next().unwrap();
    for (path, text) in read() {
        for line in text.lines() {
            assert!(
                !line.contains(secret) && !line.contains("token=ey"),
                "{}: {line}",
                path.display()
            );
        }
    }
}
