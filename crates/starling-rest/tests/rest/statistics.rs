//! Statistics: one's own, and, with the scope `admin`, of all.

use serde_json::json;

use crate::support::App;

const ADMIN: &str = "the administrator";

async fn say(app: &App, user: &str, id: &str, count: usize) {
    for n in 0..count {
        let message = json!({"client_id": format!("{user} {n}"), "text": "Hi"});
        let path = format!("/v1/conversations/{id}/messages");
        assert_eq!(app.post(user, &path, message).await.status, 201);
    }
}

#[tokio::test(start_paused = true)]
async fn everyone_sees_his_own_numbers() {
    let app = App::new().await;
    let (one, other) = (app.group(&["bob"]).await, app.group(&["bob", "carol"]).await);
    say(&app, "alice", &one, 2).await;
    say(&app, "bob", &other, 3).await;
    // Marks of what one has sent oneself are written a moment later.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let numbers = async |user: &str| {
        let found = app.get(user, "/v1/me/stats").await;
        assert_eq!(found.status, 200);
        let days = found.body["days"].as_array().unwrap();
        let by_day: u64 = days.iter().map(|day| day["messages"].as_u64().unwrap()).sum();
        assert_eq!(found.body["sent"], json!(by_day));
        ["conversations", "messages", "unread", "sent"].map(|field| found.body[field].as_u64().unwrap())
    };
    assert_eq!(numbers("alice").await, [2, 5, 3, 2]);
    assert_eq!(numbers("bob").await, [2, 5, 2, 3]);
    assert_eq!(numbers("carol").await, [1, 3, 3, 0]);
    assert_eq!(numbers("dave").await, [0, 0, 0, 0]);
    let refused = app.get("alice", "/v1/me/stats?days=0").await;
    assert_eq!((refused.status, refused.code()), (422, "invalid"));
}

#[tokio::test(start_paused = true)]
async fn administrators_see_the_numbers_of_all_and_nobody_else_does() {
    let app = App::new().await;
    let (one, other) = (app.group(&["bob"]).await, app.group(&["carol"]).await);
    say(&app, "alice", &one, 2).await;
    say(&app, "carol", &other, 3).await;
    let of_one = format!("/v1/admin/conversations/{one}/stats");
    for path in ["/v1/admin/stats", &of_one] {
        let refused = app.get("alice", path).await;
        assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{path}");
    }
    let all = app.get(ADMIN, "/v1/admin/stats").await;
    assert_eq!(all.status, 200);
    for (field, value) in [
        ("conversations", 2),
        ("messages", 5),
        ("counted", 5),
        ("senders", 2),
        ("users", app.store.users().len()),
    ] {
        assert_eq!(all.body[field], json!(value), "{field}");
    }
    assert_eq!(all.body["days"][0]["messages"], json!(5));

    let one_alone = app.get(ADMIN, &of_one).await;
    assert_eq!(
        (
            one_alone.status,
            &one_alone.body["messages"],
            &one_alone.body["members"]
        ),
        (200, &json!(2), &json!(2))
    );
    let unknown = app.get(ADMIN, "/v1/admin/conversations/g.none/stats").await;
    assert_eq!((unknown.status, unknown.code()), (404, "unknown_conversation"));
    for path in ["/v1/admin/stats?days=367", "/v1/admin/stats?page=2"] {
        let refused = app.get(ADMIN, path).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid"), "{path}");
    }
}
