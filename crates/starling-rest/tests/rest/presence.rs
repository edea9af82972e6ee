//! Presence over HTTP.

use serde_json::{Value, json};

use crate::support::App;

#[tokio::test(start_paused = true)]
async fn a_text_is_set_and_seen_by_those_who_share_a_conversation() {
    let app = App::new().await;
    app.group(&["bob"]).await;
    let set = app
        .call("PUT", "/v1/presence", "bob", Some(json!({"text": "at sea"})))
        .await;
    assert_eq!((set.status, set.body), (204, Value::Null));
    let ask = async |user: &str| {
        let users = json!({"users": ["bob", "eve", user]});
        app.post(user, "/v1/presences", users).await.body["presences"].clone()
    };
    let bob = json!({"user": "bob", "state": "offline", "text": "at sea"});
    let alice = json!({"user": "alice", "state": "offline"});
    assert_eq!(ask("alice").await, json!([bob, alice]));
    assert_eq!(
        ask("eve").await,
        json!([{"user": "eve", "state": "offline"}]),
        "she shares no conversation"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_bounds_is_refused_and_nothing_is_kept() {
    let app = App::new().await;
    for body in [
        json!({"text": "x".repeat(141)}),
        json!({"text": "two\nlines"}),
        json!({"text": "   "}),
        json!({"state": "away"}),
        json!({}),
    ] {
        let refused = app.call("PUT", "/v1/presence", "bob", Some(body.clone())).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid"), "{body}");
    }
    for body in [
        json!({"users": []}),
        json!({"users": vec!["bob"; 101]}),
        json!({}),
    ] {
        let refused = app.post("bob", "/v1/presences", body.clone()).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid"), "{body}");
    }
    let own = app.post("bob", "/v1/presences", json!({"users": ["bob"]})).await;
    assert_eq!(
        own.body["presences"],
        json!([{"user": "bob", "state": "offline"}])
    );
    let mut last = 204;
    for number in 0..12 {
        let text = json!({"text": format!("{number}")});
        last = app.call("PUT", "/v1/presence", "bob", Some(text)).await.status;
    }
    assert_eq!(last, 429);
}
