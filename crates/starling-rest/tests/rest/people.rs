//! Signing in, sessions, profiles, contacts, blocks.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{Answer, App};

const PHONE: &str = "+4915123456789";

async fn open(app: &App, path: &str, body: Value) -> Answer {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()));
    app.send(request.unwrap()).await
}

/// Signs in; what came back, and whose calls the tests then make.
async fn sign_in(app: &App, phone: &str) -> (Value, String) {
    let sent = open(app, "/v1/auth/code", json!({"phone": phone})).await;
    assert_eq!((sent.status, &sent.body), (202, &json!({"expires_in": 300})));
    assert_eq!(sent.header("cache-control"), "no-store");
    let code = app.store.last_code(phone).unwrap();
    let body = json!({"phone": phone, "code": code, "name": "Alice", "device": "Her phone"});
    let tokens = open(app, "/v1/auth/token", body).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    assert_eq!(tokens.header("cache-control"), "no-store");
    let caller = tokens.body["access_token"].as_str().unwrap();
    let caller = caller.strip_prefix("is:").unwrap().to_owned();
    (tokens.body, caller)
}

#[tokio::test(start_paused = true)]
async fn a_person_signs_in_looks_around_and_signs_out() {
    let app = App::new().await;
    let (tokens, alice) = sign_in(&app, PHONE).await;
    assert_eq!(tokens["new_user"], true);
    let me = app.get(&alice, "/v1/me").await.body;
    assert_eq!(me, json!({"id": tokens["user"], "name": "Alice", "phone": PHONE}));

    let (second, tablet) = sign_in(&app, PHONE).await;
    assert_eq!((&second["user"], second.get("new_user")), (&tokens["user"], None));
    let sessions = app.get(&tablet, "/v1/auth/sessions").await.body;
    let listed = sessions["sessions"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    let current: Vec<_> = listed
        .iter()
        .filter(|session| session["current"] == true)
        .collect();
    assert_eq!((current.len(), &current[0]["id"]), (1, &second["session"]));
    assert_eq!(current[0]["device"], "Her phone");

    let next = open(
        &app,
        "/v1/auth/refresh",
        json!({"refresh_token": tokens["refresh_token"]}),
    )
    .await;
    assert_eq!((next.status, &next.body["session"]), (200, &tokens["session"]));

    // One ends the other, and then itself.
    let session = tokens["session"].as_str().unwrap();
    let ended = app
        .call("DELETE", &format!("/v1/auth/sessions/{session}"), &tablet, None)
        .await;
    assert_eq!(ended.status, 204);
    let answer = app.get(&alice, "/v1/me").await;
    assert_eq!((answer.status, answer.code()), (401, "unauthenticated"));
    let answer = open(
        &app,
        "/v1/auth/refresh",
        json!({"refresh_token": next.body["refresh_token"]}),
    )
    .await;
    assert_eq!((answer.status, answer.code()), (401, "unauthenticated"));
    let left = app.post(&tablet, "/v1/auth/sign-out", json!({})).await;
    assert_eq!(left.status, 204);
    assert_eq!(app.get(&tablet, "/v1/me").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn everywhere_is_everywhere() {
    let app = App::new().await;
    let (_, phone) = sign_in(&app, PHONE).await;
    let (_, tablet) = sign_in(&app, PHONE).await;
    let left = app
        .post(&phone, "/v1/auth/sign-out", json!({"everywhere": true}))
        .await;
    assert_eq!(left.status, 204);
    for device in [&phone, &tablet] {
        assert_eq!(app.get(device, "/v1/me").await.status, 401);
    }
    // Tokens of an operator or an outside issuer belong to no session.
    let answer = app.post("bob", "/v1/auth/sign-out", json!({})).await;
    assert_eq!((answer.status, answer.code()), (422, "invalid"));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_signing_in_is_said() {
    let app = App::new().await;
    for (path, body, status, code) in [
        ("/v1/auth/code", json!({}), 422, "invalid"),
        ("/v1/auth/code", json!({"phone": "0151 23456789"}), 422, "invalid"),
        (
            "/v1/auth/code",
            json!({"phone": "+999 123456789"}),
            422,
            "invalid",
        ),
        (
            "/v1/auth/code",
            json!({"phone": PHONE, "sms": true}),
            422,
            "invalid",
        ),
        ("/v1/auth/token", json!({"phone": PHONE}), 422, "invalid"),
        (
            "/v1/auth/token",
            json!({"phone": PHONE, "code": "12345"}),
            422,
            "invalid",
        ),
        (
            "/v1/auth/token",
            json!({"phone": PHONE, "code": "123456", "name": ""}),
            422,
            "invalid",
        ),
        (
            "/v1/auth/token",
            json!({"phone": PHONE, "code": "123456", "device": "x".repeat(101)}),
            422,
            "invalid",
        ),
        (
            "/v1/auth/token",
            json!({"phone": PHONE, "code": "123456"}),
            401,
            "wrong_code",
        ),
        ("/v1/auth/refresh", json!({"refresh_token": ""}), 422, "invalid"),
        (
            "/v1/auth/refresh",
            json!({"refresh_token": "nonsense"}),
            401,
            "unauthenticated",
        ),
    ] {
        let answer = open(&app, path, body.clone()).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{path} {body}");
    }
    for _ in 0..5 {
        let answer = open(&app, "/v1/auth/code", json!({"phone": PHONE})).await;
        assert_eq!(answer.status, 202);
    }
    let answer = open(&app, "/v1/auth/code", json!({"phone": PHONE})).await;
    assert_eq!((answer.status, answer.code()), (429, "rate_limited"));
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((600..=720).contains(&seconds), "{seconds}");
    let answer = app.call("DELETE", "/v1/auth/sessions/none", "alice", None).await;
    assert_eq!((answer.status, answer.code()), (422, "invalid"));
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_the_same_whether_a_number_is_known_or_not() {
    let app = App::new().await;
    sign_in(&app, PHONE).await;
    let known = open(&app, "/v1/auth/code", json!({"phone": PHONE})).await;
    let unknown = open(&app, "/v1/auth/code", json!({"phone": "+4915123456780"})).await;
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_changed_field_by_field() {
    let app = App::new().await;
    let change = async |body: Value| app.call("PATCH", "/v1/me", "alice", Some(body)).await;
    assert_eq!(app.get("alice", "/v1/me").await.body["name"], "The alice");
    let changed = change(json!({
        "name": " Alice ", "about": "At the\ncamp fire.", "avatar_url": "https://example.org/a.png",
    }))
    .await;
    let expected = json!({
        "id": "alice", "name": "Alice", "about": "At the\ncamp fire.", "avatar_url": "https://example.org/a.png",
    });
    assert_eq!((changed.status, &changed.body), (200, &expected));
    let cleared = change(json!({"about": "", "avatar_url": ""})).await;
    assert_eq!(cleared.body, json!({"id": "alice", "name": "Alice"}));
    assert_eq!(change(json!({})).await.body, cleared.body);
    let seen = app.get("bob", "/v1/users/alice").await.body;
    assert_eq!(seen, json!({"id": "alice", "name": "Alice", "contact": false}));

    for body in [
        json!({"name": ""}),
        json!({"name": "x".repeat(101)}),
        json!({"name": "a\u{7}b"}),
        json!({"about": "x".repeat(501)}),
        json!({"about": "a\u{0}"}),
        json!({"avatar_url": "http://example.org/a.png"}),
        json!({"avatar_url": "javascript:alert(1)"}),
        json!({"avatar_url": format!("https://example.org/{}", "x".repeat(2_048))}),
        json!({"phone": PHONE}),
    ] {
        let answer = change(body.clone()).await;
        assert_eq!((answer.status, answer.code()), (422, "invalid"), "{body}");
    }
    assert_eq!(app.get("alice", "/v1/me").await.body, cleared.body);
    let answer = app.get("alice", "/v1/users/nobody").await;
    assert_eq!((answer.status, answer.code()), (404, "unknown_user"));
}

#[tokio::test(start_paused = true)]
async fn contacts_are_listed_page_by_page() {
    let app = App::new().await;
    for name in ["alice", "bob", "carol", "dave"] {
        app.get(name, "/v1/me").await;
    }
    for name in ["bob", "carol", "dave"] {
        let added = app.post("alice", "/v1/contacts", json!({"user": name})).await;
        assert_eq!((added.status, &added.body["user"]["id"]), (200, &json!(name)));
        assert_eq!(added.body["user"]["contact"], true);
    }
    let mut names = Vec::new();
    let mut after = String::new();
    loop {
        let page = app
            .get("alice", &format!("/v1/contacts?limit=2{after}"))
            .await
            .body;
        for contact in page["contacts"].as_array().unwrap() {
            names.push(contact["user"]["id"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["bob", "carol", "dave"]);
    let theirs = app.get("bob", "/v1/contacts").await.body;
    assert_eq!(theirs["contacts"][0]["user"]["id"], "alice");

    assert_eq!(
        app.call("DELETE", "/v1/contacts/alice", "bob", None).await.status,
        204
    );
    assert_eq!(app.get("bob", "/v1/contacts").await.body["contacts"], json!([]));
    for (path, code) in [
        ("/v1/contacts?limit=0", "invalid"),
        ("/v1/contacts?limit=201", "invalid"),
        ("/v1/contacts?page=1", "invalid"),
        ("/v1/blocks?limit=201", "invalid"),
    ] {
        let answer = app.get("alice", path).await;
        assert_eq!((answer.status, answer.code()), (422, code), "{path}");
    }
    for (body, status, code) in [
        (json!({}), 422, "invalid"),
        (json!({"user": "bob", "phone": PHONE}), 422, "invalid"),
        (json!({"user": "alice"}), 422, "invalid"),
        (json!({"user": "nobody"}), 404, "unknown_user"),
        (json!({"phone": PHONE}), 404, "unknown_user"),
    ] {
        let answer = app.post("alice", "/v1/contacts", body.clone()).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_blocked_cannot_write_in_private() {
    let app = App::new().await;
    for name in ["alice", "eve"] {
        app.get(name, "/v1/me").await;
    }
    let direct = json!({"kind": "direct", "members": ["alice"]});
    let id = app.post("eve", "/v1/conversations", direct.clone()).await.body["id"].clone();
    let messages = format!("/v1/conversations/{}/messages", id.as_str().unwrap());
    assert_eq!(app.call("PUT", "/v1/blocks/eve", "alice", None).await.status, 204);
    assert_eq!(
        app.get("alice", "/v1/blocks").await.body,
        json!({"users": ["eve"]})
    );
    let sent = app
        .post("eve", &messages, json!({"client_id": "1", "text": "hey"}))
        .await;
    assert_eq!((sent.status, sent.code()), (403, "forbidden"));
    let opened = app.post("eve", "/v1/conversations", direct).await;
    assert_eq!((opened.status, opened.code()), (403, "forbidden"));
    let added = app.post("eve", "/v1/contacts", json!({"user": "alice"})).await;
    assert_eq!((added.status, added.code()), (403, "forbidden"));
    assert_eq!(
        app.call("DELETE", "/v1/blocks/eve", "alice", None).await.status,
        204
    );
    let sent = app
        .post("eve", &messages, json!({"client_id": "2", "text": "hey"}))
        .await;
    assert_eq!(sent.status, 201);
    for (who, status, code) in [("alice", 422, "invalid"), ("nobody", 404, "unknown_user")] {
        let answer = app.call("PUT", &format!("/v1/blocks/{who}"), "alice", None).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{who}");
    }
}
