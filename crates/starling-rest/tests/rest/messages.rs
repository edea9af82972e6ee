//! What becomes of messages.

use serde_json::{Value, json};

use crate::support::App;

/// A group of alice's with bob, a message of hers at 2, and the path of her messages.
async fn said(app: &App) -> (String, String) {
    let id = app.group(&["bob"]).await;
    let messages = format!("/v1/conversations/{id}/messages");
    let message = json!({"client_id": "m1", "text": "Hello!"});
    assert_eq!(app.post("alice", &messages, message).await.body["seq"], 2);
    (id, messages)
}

async fn entry(app: &App, id: &str, seq: usize) -> Value {
    let page = app
        .get("bob", &format!("/v1/conversations/{id}/entries?after=0"))
        .await;
    page.body["entries"][seq - 1].clone()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_edited_and_deleted() {
    let app = App::new().await;
    let (id, messages) = said(&app).await;
    let message = format!("{messages}/2");
    let edit = json!({"client_id": "e1", "text": "Hello, all!"});
    let edited = app.call("PATCH", &message, "alice", Some(edit.clone())).await;
    assert_eq!((edited.status, &edited.body["seq"]), (200, &json!(3)));
    let retry = json!({"client_id": "e1", "text": "Hello, all!", "retry": true});
    let again = app.call("PATCH", &message, "alice", Some(retry)).await;
    assert_eq!((again.status, &again.body["seq"]), (200, &json!(3)));
    let seen = entry(&app, &id, 2).await;
    assert_eq!(seen["body"], json!({"message": {"text": "Hello!"}}));
    assert_eq!(
        seen["state"],
        json!({"changed": 3, "text": "Hello, all!", "edited_at": edited.body["at"]})
    );

    for method in ["PATCH", "DELETE"] {
        let body = (method == "PATCH").then(|| edit.clone());
        let refused = app.call(method, &message, "bob", body.clone()).await;
        assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{method}");
        let stranger = app.call(method, &message, "eve", body).await;
        assert_eq!(
            (stranger.status, stranger.code()),
            (403, "not_a_member"),
            "{method}"
        );
    }

    let deleted = app
        .call("DELETE", &format!("{message}?client_id=d1"), "alice", None)
        .await;
    assert_eq!(
        (deleted.status, &deleted.body["seq"], &deleted.body["client_id"]),
        (200, &json!(4), &json!("d1"))
    );
    let same = app.call("DELETE", &message, "alice", None).await;
    assert_eq!(
        (same.status, &same.body["seq"], &same.body["client_id"]),
        (200, &json!(4), &Value::Null)
    );
    let gone = entry(&app, &id, 2).await;
    assert_eq!(gone["body"], json!({"message": {"text": ""}}));
    assert_eq!(
        gone["state"],
        json!({"changed": 4, "deleted_at": deleted.body["at"], "deleted_by": "alice"})
    );
    assert_eq!(entry(&app, &id, 3).await["body"]["edited"]["text"], "");
    let late = app.call("PATCH", &message, "alice", Some(edit)).await;
    assert_eq!(
        (late.status, &late.body["seq"]),
        (200, &json!(3)),
        "the first one, by its key"
    );
    let late = app
        .call("PATCH", &message, "alice", Some(json!({"text": "x"})))
        .await;
    assert_eq!((late.status, late.code()), (404, "unknown_message"));
}

#[tokio::test(start_paused = true)]
async fn reactions_are_added_and_removed() {
    let app = App::new().await;
    let (id, messages) = said(&app).await;
    let thumb = format!("{messages}/2/reactions/%F0%9F%91%8D");
    for (user, seq) in [("bob", 3), ("alice", 4), ("alice", 4)] {
        let added = app.call("PUT", &thumb, user, None).await;
        assert_eq!((added.status, &added.body["seq"]), (200, &json!(seq)));
    }
    let reactions = entry(&app, &id, 2).await["state"]["reactions"].clone();
    assert_eq!(reactions, json!({"👍": ["alice", "bob"]}));
    let removed = app.call("DELETE", &thumb, "bob", None).await;
    assert_eq!((removed.status, &removed.body["seq"]), (200, &json!(5)));
    let reactions = entry(&app, &id, 2).await["state"]["reactions"].clone();
    assert_eq!(reactions, json!({"👍": ["alice"]}));
}

#[tokio::test(start_paused = true)]
async fn a_message_has_a_kind_and_replies_to_another() {
    let app = App::new().await;
    let (id, messages) = said(&app).await;
    let reply = json!({"client_id": "r1", "text": "/pictures/7", "kind": "image", "reply_to": 2});
    assert_eq!(app.post("bob", &messages, reply).await.body["seq"], 3);
    assert_eq!(
        entry(&app, &id, 3).await["body"],
        json!({"message": {"text": "/pictures/7", "kind": "image", "reply_to": 2}})
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused_and_not_stored() {
    let app = App::new().await;
    let (id, messages) = said(&app).await;
    let long = "x".repeat(5_001);
    let edits = [
        (2, json!({}), 422, "invalid"),
        (2, json!({"text": ""}), 422, "invalid"),
        (2, json!({"text": long}), 422, "invalid"),
        (2, json!({"text": "x", "extra": 1}), 422, "invalid"),
        (1, json!({"text": "x"}), 404, "unknown_message"),
        (9, json!({"text": "x"}), 404, "unknown_message"),
    ];
    for (seq, body, status, code) in edits {
        let path = format!("{messages}/{seq}");
        let refused = app.call("PATCH", &path, "alice", Some(body.clone())).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{body}");
    }
    for (method, path, status, code) in [
        ("DELETE", "x", 422, "invalid"),
        ("DELETE", "9", 404, "unknown_message"),
        ("DELETE", "2?client_id=", 422, "invalid"),
        ("DELETE", "2?what=1", 422, "invalid"),
        ("PUT", "9/reactions/a", 404, "unknown_message"),
        ("PUT", "2/reactions/a%20b", 422, "invalid"),
        ("PUT", "2/reactions/%ff", 400, "malformed"),
        (
            "PUT",
            "2/reactions/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            422,
            "invalid",
        ),
    ] {
        let refused = app
            .call(method, &format!("{messages}/{path}"), "alice", None)
            .await;
        assert_eq!((refused.status, refused.code()), (status, code), "{path}");
    }
    for (body, status, code) in [
        (
            json!({"client_id": "k", "text": "x", "kind": "smell"}),
            422,
            "invalid",
        ),
        (
            json!({"client_id": "k", "text": "x", "reply_to": 9}),
            404,
            "unknown_message",
        ),
    ] {
        let refused = app.post("bob", &messages, body.clone()).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{body}");
    }
    let system = json!({"client_id": "k", "text": "x", "kind": "system"});
    let refused = app.post("bob", &messages, system).await;
    assert_eq!((refused.status, refused.code()), (403, "forbidden"));
    assert_eq!(entry(&app, &id, 3).await, Value::Null, "nothing is stored");
}
