//! The limits of an installation that sets none: 20 sends a second with a burst of 100, five connections.

use serde_json::json;
use tokio::time::{Duration, Instant, sleep};
use tokio_tungstenite::tungstenite::Message;

use crate::raw::{Raw, Received};
use crate::stage::Stage;

const JSON: &str = "starling.v1.json";

#[tokio::test]
async fn the_defaults_hold_cluster_wide() {
    // An empty variable counts as none: what holds is what an installation has that sets nothing.
    let stage = Stage::start_with("limits", |config| {
        config.with_env("STARLING_SENDS_PER_SECOND", "")
    })
    .await;
    let token = stage.token("ann").unwrap();
    let mut devices = Vec::new();
    for number in 0..5 {
        let mut device = Raw::connect(&stage.node(number % 3).ws_url(), JSON, Some(&token))
            .await
            .unwrap();
        assert!(device.json().await["ready"].is_object());
        devices.push(device);
    }
    // The sixth, the newest, is refused on whichever node, with a code that says why.
    let mut sixth = Raw::connect(&stage.node(2).ws_url(), JSON, Some(&token))
        .await
        .unwrap();
    let mut last = sixth.receive().await;
    if let Received::Frame(text) = &last {
        assert!(text.contains("too_many_connections"), "{text}");
        last = sixth.receive().await;
    }
    assert_eq!(last, Received::Closed(4100));

    let created = devices[0].ask(r#"{"id":1,"create":{"kind":"group"}}"#, 1).await;
    let id = created["ok"]["conversation"]["id"].as_str().unwrap().to_owned();
    // Two devices on two nodes together send 200 at once.
    let (mut stored, mut refused) = (0, 0);
    let began = Instant::now();
    for number in 0..200_u64 {
        let frame = json!({"id": 100 + number, "send": {
            "conversation": id, "client_id": format!("k{number}"), "text": "fast",
        }});
        devices[(number % 2) as usize]
            .send(Message::text(frame.to_string()))
            .await;
    }
    for number in 0..200_u64 {
        let reply = devices[(number % 2) as usize].json().await;
        if reply["ok"].is_object() {
            stored += 1;
        } else {
            assert_eq!(reply["error"]["code"], "rate_limited");
            assert!(reply["error"]["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0));
            refused += 1;
        }
    }
    println!("{stored} stored, {refused} refused");
    // The bucket refills while the sends are made.
    let most = 100 + 20 * (began.elapsed().as_secs() + 2);
    assert!((90..=most).contains(&stored), "{stored} stored of {most} at most");
    assert_eq!(stage.count_stored().await, stored + 1);
    sleep(Duration::from_secs(2)).await;
    let later = json!({"id": 9, "send": {"conversation": id, "client_id": "later", "text": "slow"}});
    assert!(devices[0].ask(&later.to_string(), 9).await["ok"].is_object());
}
