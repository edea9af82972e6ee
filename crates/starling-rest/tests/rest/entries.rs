//! Sending, reading, marking.

use serde_json::{Value, json};
use starling_core::ports::RateLimit;

use crate::support::App;

#[tokio::test(start_paused = true)]
async fn a_message_is_sent_once_and_read_back() {
    let app = App::new().await;
    let id = app.group(&["bob"]).await;
    let messages = format!("/v1/conversations/{id}/messages");
    let sent = app
        .post("alice", &messages, json!({"client_id": "m1", "text": "Hello!"}))
        .await;
    assert_eq!((sent.status, &sent.body["seq"]), (201, &json!(2)));
    let again = app
        .post(
            "alice",
            &messages,
            json!({"client_id": "m1", "text": "Hello!", "retry": true}),
        )
        .await;
    assert_eq!((again.status, &again.body["seq"]), (201, &json!(2)));

    let page = app.get("bob", &format!("/v1/conversations/{id}/entries")).await;
    let bodies: Vec<_> = page.body["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["body"])
        .collect();
    assert!(bodies[0]["created"].is_object());
    assert_eq!(bodies[1], &json!({"message": {"text": "Hello!"}}));
    assert_eq!(page.body["more"], false);
}

#[tokio::test(start_paused = true)]
async fn history_goes_both_ways_by_cursor() {
    let app = App::new().await;
    let id = app.group(&[]).await;
    for n in 2..=6 {
        let message = json!({"client_id": format!("m{n}"), "text": format!("number {n}")});
        app.post("alice", &format!("/v1/conversations/{id}/messages"), message)
            .await;
    }
    for (options, seqs, more) in [
        ("?after=0&limit=2", vec![1, 2], true),
        ("?after=4", vec![5, 6], false),
        ("?before=3", vec![1, 2], false),
        ("?before=5&limit=2", vec![3, 4], true),
        ("?limit=2", vec![5, 6], true),
        ("?after=6", vec![], false),
        ("?around=4&limit=3", vec![3, 4, 5], true),
        ("?around=6&limit=4", vec![4, 5, 6], false),
        ("?messages=true&around=2", vec![2, 3, 4, 5, 6], false),
        ("?messages=true&before=4", vec![2, 3], false),
        ("?messages=true&after=1&limit=2", vec![2, 3], true),
    ] {
        let page = app
            .get("alice", &format!("/v1/conversations/{id}/entries{options}"))
            .await;
        let found: Vec<_> = page.body["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["seq"].clone())
            .collect();
        assert_eq!(
            (found, &page.body["more"]),
            (seqs.into_iter().map(Value::from).collect(), &json!(more)),
            "{options}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_counted_pages_that_stay_what_they_are() {
    let app = App::new().await;
    let id = app.group(&["bob"]).await;
    let path = format!("/v1/conversations/{id}/messages");
    let say = async |who: &str, text: &str| {
        let sent = app
            .post(who, &path, json!({"client_id": text, "text": text}))
            .await;
        assert_eq!(sent.status, 201);
    };
    let texts = async |options: &str| {
        let page = app.get("bob", &format!("{path}{options}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let messages = page.body["messages"].as_array().unwrap();
        let texts = messages
            .iter()
            .map(|entry| entry["body"]["message"]["text"].as_str().unwrap());
        (
            texts.collect::<Vec<_>>().join(" "),
            page.body["more"] == true,
            page.body["as_of"].clone(),
        )
    };
    for text in ["1", "2", "3", "4", "5"] {
        say(if text == "3" { "bob" } else { "alice" }, text).await;
    }
    let first = texts("?page=1&limit=2").await;
    assert_eq!(first, ("4 5".into(), true, json!(5)));
    say("bob", "6").await;
    for (options, found, more) in [
        ("?page=2&limit=2&as_of=5", "2 3", true),
        ("?page=3&limit=2&as_of=5", "1", false),
        ("?page=4&limit=2&as_of=5", "", false),
        ("?page=2&limit=2", "3 4", true),
        ("?skip=1&limit=3", "3 4 5", true),
        ("", "1 2 3 4 5 6", false),
        ("?sender=bob", "3 6", false),
        ("?sender=bob&limit=1", "6", true),
        ("?sender=bob&skip=1", "3", false),
        ("?sender=eve", "", false),
        ("?page=18446744073709551615", "", false),
    ] {
        let (texts, is_more, _) = texts(options).await;
        assert_eq!((texts.as_str(), is_more), (found, more), "{options}");
    }
    for options in [
        "?page=0",
        "?page=1&skip=1",
        "?limit=0",
        "?limit=101",
        "?skip=-1",
        "?nothing=1",
    ] {
        let refused = app.get("bob", &format!("{path}{options}")).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid"), "{options}");
    }
    let stranger = app.get("eve", &path).await;
    assert_eq!((stranger.status, stranger.code()), (403, "not_a_member"));
}

#[tokio::test(start_paused = true)]
async fn a_page_around_what_is_not_there_is_refused() {
    let app = App::new().await;
    let id = app.group(&[]).await;
    for (options, code) in [
        ("?around=2", "cursor_ahead"),
        ("?around=0", "invalid"),
        ("?around=1&before=1", "invalid"),
        ("?messages=perhaps", "invalid"),
    ] {
        let refused = app
            .get("alice", &format!("/v1/conversations/{id}/entries{options}"))
            .await;
        assert_eq!((refused.status, refused.code()), (422, code), "{options}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mark_changes_what_is_unread() {
    let app = App::new().await;
    let id = app.group(&["bob"]).await;
    app.post(
        "alice",
        &format!("/v1/conversations/{id}/messages"),
        json!({"client_id": "m1", "text": "Hello!"}),
    )
    .await;
    let unread = async || {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        app.get("bob", &format!("/v1/conversations/{id}")).await.body["conversation"]["unread"].clone()
    };
    assert_eq!(unread().await, 1);
    let delivered = format!("/v1/conversations/{id}/delivered");
    let read = format!("/v1/conversations/{id}/read");
    for (mark, left) in [(&delivered, 1), (&read, 0)] {
        let marked = app.call("PUT", mark, "bob", Some(json!({"seq": 2}))).await;
        assert_eq!((marked.status, marked.body), (204, Value::Null));
        assert_eq!(unread().await, left);
        let ahead = app.call("PUT", mark, "bob", Some(json!({"seq": 3}))).await;
        assert_eq!((ahead.status, ahead.code()), (422, "cursor_ahead"));
        let stranger = app.call("PUT", mark, "eve", Some(json!({"seq": 2}))).await;
        assert_eq!((stranger.status, stranger.code()), (403, "not_a_member"));
    }
}

#[tokio::test(start_paused = true)]
async fn receipts_say_who_has_what() {
    let app = App::new().await;
    let id = app.group(&["bob", "carol"]).await;
    app.post(
        "alice",
        &format!("/v1/conversations/{id}/messages"),
        json!({"client_id": "m1", "text": "Hello!"}),
    )
    .await;
    let status = async || {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        let path = format!("/v1/conversations/{id}/entries/2/receipts");
        let mut status = app.get("alice", &path).await.body;
        ["status", "pending", "delivered", "read"].map(|field| status[field].take())
    };
    let mark = async |user: &str, what: &str| {
        let path = format!("/v1/conversations/{id}/{what}");
        let marked = app.call("PUT", &path, user, Some(json!({"seq": 2}))).await;
        assert_eq!(marked.status, 204);
    };
    let expected = |status: &str, pending: &[&str], delivered: &[&str], read: &[&str]| {
        [json!(status), json!(pending), json!(delivered), json!(read)]
    };
    assert_eq!(status().await, expected("pending", &["bob", "carol"], &[], &[]));
    mark("bob", "read").await;
    assert_eq!(status().await, expected("pending", &["carol"], &[], &["bob"]));
    mark("carol", "delivered").await;
    assert_eq!(status().await, expected("delivered", &[], &["carol"], &["bob"]));
    mark("carol", "read").await;
    assert_eq!(status().await, expected("read", &[], &[], &["bob", "carol"]));

    let receipts = format!("/v1/conversations/{id}/receipts");
    let first = app.get("carol", &format!("{receipts}?limit=2")).await.body;
    assert_eq!(
        first,
        json!({"members": [
            {"user": "alice", "delivered": 2, "read": 2, "role": "admin"},
            {"user": "bob", "delivered": 2, "read": 2, "role": "member"},
        ], "next": "bob"})
    );
    let rest = app.get("carol", &format!("{receipts}?after=bob")).await.body;
    assert_eq!(
        rest,
        json!({"members": [{"user": "carol", "delivered": 2, "read": 2, "role": "member"}]})
    );

    for (path, status, code) in [
        (format!("{receipts}?limit=0"), 422, "invalid"),
        (format!("{receipts}?limit=201"), 422, "invalid"),
        (format!("{receipts}?after="), 422, "invalid"),
        (
            format!("/v1/conversations/{id}/entries/0/receipts"),
            422,
            "invalid",
        ),
        (
            format!("/v1/conversations/{id}/entries/x/receipts"),
            422,
            "invalid",
        ),
        (
            format!("/v1/conversations/{id}/entries/3/receipts"),
            422,
            "cursor_ahead",
        ),
        (
            "/v1/conversations/none/receipts".to_owned(),
            404,
            "unknown_conversation",
        ),
    ] {
        let answer = app.get("alice", &path).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{path}");
    }
    let stranger = app.get("eve", &receipts).await;
    assert_eq!((stranger.status, stranger.code()), (403, "not_a_member"));
}

#[tokio::test(start_paused = true)]
async fn who_sends_too_fast_is_told_when_to_go_on() {
    let app = App::with_sends(RateLimit {
        per_second: 1,
        burst: 2,
    })
    .await;
    let id = app.group(&[]).await;
    let messages = format!("/v1/conversations/{id}/messages");
    for n in 0..2 {
        let sent = app
            .post(
                "alice",
                &messages,
                json!({"client_id": format!("m{n}"), "text": "x"}),
            )
            .await;
        assert_eq!(sent.status, 201);
    }
    let refused = app
        .post("alice", &messages, json!({"client_id": "m3", "text": "x"}))
        .await;
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"));
    assert!(
        refused.body["error"]["retry_after_ms"]
            .as_u64()
            .is_some_and(|ms| (1..=1000).contains(&ms))
    );
    assert_eq!(refused.header("retry-after"), "1");
}

#[tokio::test(start_paused = true)]
async fn the_store_being_away_is_not_the_callers_fault() {
    let app = App::new().await;
    let id = app.group(&[]).await;
    app.store.set_reachable(false);
    let refused = app.get("alice", &format!("/v1/conversations/{id}/entries")).await;
    assert_eq!((refused.status, refused.code()), (503, "unavailable"));
    let sent = app
        .post(
            "alice",
            &format!("/v1/conversations/{id}/messages"),
            json!({"client_id": "m", "text": "x"}),
        )
        .await;
    assert!(
        matches!(
            (sent.status, sent.code()),
            (503, "unavailable") | (504, "unknown")
        ),
        "{sent:?}"
    );
}
