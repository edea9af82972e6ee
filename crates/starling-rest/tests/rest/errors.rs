//! Bad input: each has its status, its code and a sentence, in one shape, and nothing is stored.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::support::{Answer, App};

/// The shape that also undocumented paths answer with.
fn assert_error(answer: &Answer, status: u16, code: &str, sentence: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
    let message = answer.body["error"]["message"].as_str().unwrap();
    assert!(
        message.contains(sentence),
        "{message:?} does not say {sentence:?}"
    );
    assert_eq!(answer.header("content-type"), "application/json");
}

fn post(path: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header("authorization", "Bearer is:alice")
        .header("content-type", content_type)
        .body(body.into())
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_brings_no_valid_token_is_told_why() {
    let app = App::new().await;
    for (header, sentence) in [
        (None, "there is no token"),
        (Some("Basic YWxpY2U6cHc="), "malformed"),
        (Some("Bearer old"), "the token has expired"),
    ] {
        let mut request = Request::get("/v1/conversations?token=is:alice");
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        assert_error(&answer, 401, "unauthenticated", sentence);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test(start_paused = true)]
async fn bad_bodies_are_refused() {
    let app = App::new().await;
    let id = app.group(&["bob"]).await;
    let head = |app: &App| app.store.head_seq(&id.parse_id());
    let before = head(&app);
    let messages = format!("/v1/conversations/{id}/messages");
    let long = json!({"client_id": "m", "text": "x".repeat(5_001)}).to_string();
    let huge = json!({"client_id": "m", "text": "x".repeat(64 * 1024)}).to_string();
    for (body, status, code, sentence) in [
        ("", 400, "malformed", "not JSON"),
        ("{", 400, "malformed", "not JSON"),
        (r#"{"client_id":"m"}"#, 422, "invalid", "missing field `text`"),
        (r#"["m","x",null,false,null]"#, 422, "invalid", "an object"),
        ("null", 422, "invalid", "an object"),
        (
            r#"{"client_id":"m","text":7}"#,
            422,
            "invalid",
            "expected a string",
        ),
        (r#"{"client_id":"m","text":""}"#, 422, "invalid", "text"),
        (r#"{"client_id":"m","text":" \n "}"#, 422, "invalid", "text"),
        (r#"{"client_id":"","text":"x"}"#, 422, "invalid", "client id"),
        (
            r#"{"client_id":"m","text":"x","extra":1}"#,
            422,
            "invalid",
            "unknown field `extra`",
        ),
        (
            r#"{"client_id":"m","text":"x","sender":"bob"}"#,
            403,
            "forbidden",
            "sender",
        ),
        (
            r#"{"client_id":"m","text":"x","lamport":99999999}"#,
            422,
            "lamport_ahead",
            "",
        ),
        (&long, 422, "invalid", "5000"),
        (&huge, 413, "too_large", "65536"),
    ] {
        let answer = app
            .send(post(&messages, "application/json", body.to_owned()))
            .await;
        assert_error(&answer, status, code, sentence);
    }
    let answer = app
        .send(post(&messages, "text/plain", r#"{"client_id":"m","text":"x"}"#))
        .await;
    assert_error(&answer, 415, "malformed", "application/json");
    assert_eq!(head(&app), before, "nothing is stored");
}

#[tokio::test(start_paused = true)]
async fn bad_ids_and_options_are_refused() {
    let app = App::new().await;
    let id = app.group(&[]).await;
    for (path, status, code, sentence) in [
        (
            "/v1/conversations/a%20b",
            422,
            "invalid",
            "a conversation id must be",
        ),
        ("/v1/conversations/%ff", 400, "malformed", "UTF-8"),
        ("/v1/conversations/nowhere", 404, "unknown_conversation", ""),
        (
            "/v1/conversations/nowhere/entries",
            404,
            "unknown_conversation",
            "",
        ),
        ("/v1/conversations?limit=0", 422, "invalid", "1 to 200"),
        ("/v1/conversations?limit=201", 422, "invalid", "1 to 200"),
        ("/v1/conversations?limit=many", 422, "invalid", "invalid digit"),
        ("/v1/conversations?page=2", 422, "invalid", "unknown field `page`"),
        (
            "/v1/conversations?after=a%20b",
            422,
            "invalid",
            "a conversation id must be",
        ),
    ] {
        assert_error(&app.get("alice", path).await, status, code, sentence);
    }
    for (options, sentence) in [
        ("?before=x", "invalid digit"),
        ("?limit=1000", "1 to 200"),
        ("?seq=1", "unknown field"),
    ] {
        let answer = app
            .get("alice", &format!("/v1/conversations/{id}/entries{options}"))
            .await;
        assert_error(&answer, 422, "invalid", sentence);
    }
    let answer = app
        .call(
            "DELETE",
            &format!("/v1/conversations/{id}/members/a%0Ab"),
            "alice",
            None,
        )
        .await;
    assert_error(&answer, 422, "invalid", "a user id must be");
    let users: Vec<_> = (0..501).map(|n| format!("u{n}")).collect();
    for users in [json!([]), json!(users)] {
        let answer = app
            .post(
                "alice",
                &format!("/v1/conversations/{id}/members"),
                json!({"users": users}),
            )
            .await;
        assert_error(&answer, 422, "invalid", "500");
    }
}

#[tokio::test(start_paused = true)]
async fn only_members_read_and_send() {
    let app = App::new().await;
    let id = app.group(&["bob"]).await;
    let answer = app.get("eve", &format!("/v1/conversations/{id}/entries")).await;
    assert_error(&answer, 403, "not_a_member", "");
    let message = json!({"client_id": "m", "text": "x"});
    let answer = app
        .post("eve", &format!("/v1/conversations/{id}/messages"), message)
        .await;
    assert_error(&answer, 403, "not_a_member", "");
}

#[tokio::test(start_paused = true)]
async fn paths_and_methods_that_there_are_not_answer_in_the_same_shape() {
    let app = App::new().await;
    let answer = app
        .raw(Request::get("/v2/rooms").body(Body::empty()).unwrap())
        .await;
    assert_error(&answer, 404, "unknown_command", "there is no GET /v2/rooms");
    let answer = app
        .raw(Request::delete("/v1/conversations").body(Body::empty()).unwrap())
        .await;
    assert_error(
        &answer,
        405,
        "unknown_command",
        "there is no DELETE /v1/conversations",
    );
    let mut allowed: Vec<_> = answer.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
}

trait ParseId {
    fn parse_id(&self) -> starling_protocol::ConversationId;
}

impl ParseId for String {
    fn parse_id(&self) -> starling_protocol::ConversationId {
        starling_protocol::ConversationId::new(self).unwrap()
    }
}
