//! Conversations and who is in them.

use serde_json::{Value, json};

use crate::support::App;

#[tokio::test(start_paused = true)]
async fn a_group_is_made_listed_and_read() {
    let app = App::new().await;
    let made = app
        .post(
            "alice",
            "/v1/conversations",
            json!({"kind": "group", "members": ["bob"], "name": "Camp fire", "client_id": "c1"}),
        )
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["role"], "admin");
    assert_eq!(made.body["name"], "Camp fire");
    let id = made.body["id"].as_str().unwrap();

    let again = app
        .post(
            "alice",
            "/v1/conversations",
            json!({"kind": "group", "members": ["bob"], "name": "Camp fire", "client_id": "c1"}),
        )
        .await;
    assert_eq!(
        (again.status, &again.body["id"]),
        (201, &made.body["id"]),
        "the same request makes it once"
    );

    let listed = app.get("bob", "/v1/conversations").await;
    assert_eq!(listed.body["conversations"][0]["id"], id);
    assert_eq!(listed.body["conversations"][0]["role"], "member");

    let read = app.get("bob", &format!("/v1/conversations/{id}")).await;
    assert_eq!(read.status, 200);
    assert_eq!(read.body["conversation"]["id"], id);
    let members: Vec<_> = read.body["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| &member["user"])
        .collect();
    assert_eq!(members, ["alice", "bob"]);
}

#[tokio::test(start_paused = true)]
async fn a_direct_conversation_exists_once() {
    let app = App::new().await;
    let one = app
        .post(
            "alice",
            "/v1/conversations",
            json!({"kind": "direct", "members": ["bob"]}),
        )
        .await;
    let other = app
        .post(
            "bob",
            "/v1/conversations",
            json!({"kind": "direct", "members": ["alice"]}),
        )
        .await;
    assert_eq!((one.status, other.status), (201, 201));
    assert_eq!(one.body["id"], other.body["id"]);
}

#[tokio::test(start_paused = true)]
async fn the_list_has_pages() {
    let app = App::new().await;
    for _ in 0..3 {
        app.group(&[]).await;
    }
    let first = app.get("alice", "/v1/conversations?limit=2").await;
    assert_eq!(first.body["conversations"].as_array().unwrap().len(), 2);
    let next = first.body["next"].as_str().unwrap();
    let second = app
        .get("alice", &format!("/v1/conversations?limit=2&after={next}"))
        .await;
    assert_eq!(second.body["conversations"].as_array().unwrap().len(), 1);
    assert_eq!(second.body["next"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn members_are_added_and_removed_and_leave() {
    let app = App::new().await;
    let id = app.group(&["bob"]).await;
    let members = format!("/v1/conversations/{id}/members");

    let refused = app.post("bob", &members, json!({"users": ["carol"]})).await;
    assert_eq!((refused.status, refused.code()), (403, "forbidden"));
    let added = app
        .post("alice", &members, json!({"users": ["carol", "d/e+ ve"]}))
        .await;
    assert_eq!((added.status, &added.body["seq"]), (200, &json!(2)));

    let removed = app
        .call("DELETE", &format!("{members}/d%2Fe+%20ve"), "alice", None)
        .await;
    assert_eq!((removed.status, &removed.body["seq"]), (200, &json!(3)));
    let gone = app.get("d/e+ ve", &format!("/v1/conversations/{id}")).await;
    assert_eq!((gone.status, gone.code()), (403, "not_a_member"));

    let left = app
        .call("POST", &format!("/v1/conversations/{id}/leave"), "carol", None)
        .await;
    assert_eq!((left.status, &left.body["seq"]), (200, &json!(4)));
}

#[tokio::test(start_paused = true)]
async fn only_open_conversations_are_joined() {
    let app = App::new().await;
    let closed = app.group(&[]).await;
    let refused = app
        .call("POST", &format!("/v1/conversations/{closed}/join"), "bob", None)
        .await;
    assert_eq!(refused.status, 403, "{refused:?}");

    let open = app
        .post(
            "alice",
            "/v1/conversations",
            json!({"kind": "group", "open": true}),
        )
        .await;
    let id = open.body["id"].as_str().unwrap();
    let joined = app
        .call("POST", &format!("/v1/conversations/{id}/join"), "bob", None)
        .await;
    assert_eq!(joined.status, 200, "{joined:?}");
    let read = app.get("bob", &format!("/v1/conversations/{id}")).await;
    assert_eq!(read.body["conversation"]["open"], true);
}

#[tokio::test(start_paused = true)]
async fn users_are_made_on_first_sight_with_their_names() {
    let app = App::new().await;
    app.get("alice", "/v1/conversations").await;
    let users = app.store.users();
    assert_eq!(users.len(), 1);
    assert_eq!(
        (users[0].0.as_str(), users[0].1.as_deref()),
        ("alice", Some("The alice"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_conversation_is_deleted_for_one_or_for_all() {
    let app = App::new().await;
    let id = app.group(&["bob"]).await;
    let path = format!("/v1/conversations/{id}");
    let delete = async |user: &str, whom: &str| {
        app.call("DELETE", &format!("{path}?for={whom}"), user, None)
            .await
    };
    let listed = async |user: &str| {
        let list = app.get(user, "/v1/conversations").await;
        list.body["conversations"].as_array().unwrap().len()
    };
    let say = async |key: &str| {
        let said = app
            .post(
                "alice",
                &format!("{path}/messages"),
                json!({"client_id": key, "text": "Hello!"}),
            )
            .await;
        said.status
    };
    assert_eq!(say("m1").await, 201);
    assert_eq!(delete("bob", "me").await.status, 204);
    assert_eq!((listed("bob").await, listed("alice").await), (0, 1));
    let hidden = app.get("bob", &path).await;
    assert_eq!(hidden.body["conversation"]["hidden"], true);
    assert_eq!(say("m2").await, 201);
    assert_eq!(listed("bob").await, 1);

    for (user, whom, status, code) in [
        ("bob", "all", 403, "forbidden"),
        ("eve", "me", 403, "not_a_member"),
        ("eve", "all", 403, "not_a_member"),
        ("alice", "nobody", 422, "invalid"),
    ] {
        let refused = delete(user, whom).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{user} {whom}");
    }
    let refused = app.call("DELETE", &path, "alice", None).await;
    assert_eq!((refused.status, refused.code()), (422, "invalid"));
    assert_eq!(delete("alice", "all").await.status, 204);
    assert_eq!((listed("bob").await, listed("alice").await), (0, 0));
    assert_eq!(say("m3").await, 410);
    for path in [
        path.clone(),
        format!("{path}/entries"),
        format!("{path}/messages"),
        format!("{path}/stats"),
        format!("{path}/receipts"),
    ] {
        let gone = app.get("alice", &path).await;
        assert_eq!(
            (gone.status, gone.code()),
            (410, "conversation_deleted"),
            "{path}"
        );
    }
    let again = delete("alice", "all").await;
    assert_eq!((again.status, again.code()), (410, "conversation_deleted"));
}

#[tokio::test(start_paused = true)]
async fn statistics_are_for_members() {
    let app = App::new().await;
    let id = app.group(&["bob"]).await;
    for n in 0..3 {
        let message = json!({"client_id": format!("m{n}"), "text": "Hello!"});
        app.post("alice", &format!("/v1/conversations/{id}/messages"), message)
            .await;
    }
    let stats = app
        .get("bob", &format!("/v1/conversations/{id}/stats?days=1"))
        .await;
    for (field, expected) in [("messages", 3), ("members", 2), ("counted", 3), ("senders", 1)] {
        assert_eq!(stats.body[field], expected, "{field}");
    }
    assert_eq!(stats.body["days"].as_array().unwrap().len(), 1);
    for (user, options, status, code) in [
        ("eve", "", 403, "not_a_member"),
        ("bob", "?days=0", 422, "invalid"),
        ("bob", "?days=367", 422, "invalid"),
    ] {
        let refused = app
            .get(user, &format!("/v1/conversations/{id}/stats{options}"))
            .await;
        assert_eq!(
            (refused.status, refused.code()),
            (status, code),
            "{user} {options}"
        );
    }
}
