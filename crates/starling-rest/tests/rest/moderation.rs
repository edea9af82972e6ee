//! Roles, bans, mutes, what a conversation is called, invites.

use serde_json::{Value, json};

use crate::support::App;

fn codes(answer: &crate::support::Answer) -> (u16, &str) {
    (answer.status, answer.code())
}

#[tokio::test(start_paused = true)]
async fn a_role_is_given_and_the_last_admin_keeps_his() {
    let app = App::new().await;
    let id = app.group(&["bob"]).await;
    let role = async |by: &str, user: &str, role: &str| {
        let path = format!("/v1/conversations/{id}/members/{user}/role");
        app.call("PUT", &path, by, Some(json!({ "role": role }))).await
    };
    assert_eq!(codes(&role("bob", "alice", "member").await), (403, "forbidden"));
    assert_eq!(
        codes(&role("alice", "alice", "member").await),
        (409, "last_admin")
    );
    assert_eq!(
        codes(&role("alice", "carol", "admin").await),
        (404, "unknown_user")
    );
    assert_eq!(codes(&role("alice", "bob", "king").await), (422, "invalid"));
    let left = app
        .call("POST", &format!("/v1/conversations/{id}/leave"), "alice", None)
        .await;
    assert_eq!(codes(&left), (409, "last_admin"));
    let given = role("alice", "bob", "admin").await;
    assert_eq!((given.status, &given.body["seq"]), (200, &json!(2)));
    let read = app.get("bob", &format!("/v1/conversations/{id}")).await;
    assert_eq!(read.body["members"][1], json!({"user": "bob", "role": "admin"}));
    assert_eq!(role("alice", "alice", "member").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn users_are_banned_and_muted_and_listed() {
    let app = App::new().await;
    let id = app.group(&["bob", "carol"]).await;
    let path = |rest: &str| format!("/v1/conversations/{id}/{rest}");
    let banned = app.call("PUT", &path("bans/bob"), "alice", None).await;
    assert_eq!(banned.status, 200, "{banned:?}");
    let refused = app.call("POST", &path("join"), "bob", None).await;
    assert_eq!(codes(&refused), (403, "banned"));
    let added = app
        .post("alice", &path("members"), json!({"users": ["bob"]}))
        .await;
    assert_eq!(codes(&added), (403, "banned"));
    let mute = async |body: Value| app.call("PUT", &path("mutes/carol"), "alice", Some(body)).await;
    assert_eq!(codes(&mute(json!({"until": 5})).await), (422, "invalid"));
    assert_eq!(mute(json!({"until": 4_102_444_800_000_i64})).await.status, 200);
    let sent = app
        .post(
            "carol",
            &path("messages"),
            json!({"client_id": "m", "text": "hi"}),
        )
        .await;
    assert_eq!(codes(&sent), (403, "muted"));

    let listed = app.get("alice", &path("sanctions?limit=1")).await;
    assert_eq!(
        listed.body,
        json!({"users": [{"user": "bob", "banned": true}], "next": "bob"})
    );
    let rest = app.get("alice", &path("sanctions?after=bob")).await;
    assert_eq!(
        rest.body["users"][0],
        json!({"user": "carol", "muted": true, "muted_until": 4_102_444_800_000_i64})
    );
    assert_eq!(
        codes(&app.get("carol", &path("sanctions")).await),
        (403, "forbidden")
    );
    let refused = app.call("PUT", &path("bans/alice"), "carol", None).await;
    assert_eq!(codes(&refused), (403, "forbidden"));

    for sanction in ["bans/bob", "mutes/carol"] {
        let lifted = app.call("DELETE", &path(sanction), "alice", None).await;
        assert_eq!(lifted.status, 200, "{lifted:?}");
    }
    let listed = app.get("alice", &path("sanctions")).await;
    assert_eq!(listed.body, json!({"users": []}));
}

#[tokio::test(start_paused = true)]
async fn a_conversation_is_called_something_else() {
    let app = App::new().await;
    let made = app
        .post("alice", "/v1/conversations", json!({"kind": "channel"}))
        .await;
    assert_eq!(
        (&made.body["kind"], &made.body["open"]),
        (&json!("channel"), &json!(true))
    );
    let id = made.body["id"].as_str().unwrap();
    let path = format!("/v1/conversations/{id}");
    let change = async |by: &str, body: Value| app.call("PATCH", &path, by, Some(body)).await;
    let all = json!({
        "name": "Everyone", "description": "News,\nand more", "avatar_url": "https://example.org/a.png", "open": false,
    });
    assert_eq!(change("alice", all.clone()).await.status, 200);
    let listed = app.get("alice", "/v1/conversations").await;
    let seen = &listed.body["conversations"][0];
    for field in ["name", "description", "avatar_url"] {
        assert_eq!(seen[field], all[field]);
    }
    assert_eq!(seen.get("open"), None);
    for bad in [
        json!({}),
        json!({"name": "two\nlines"}),
        json!({"avatar_url": "javascript:alert(1)"}),
        json!({"description": "x".repeat(2_001)}),
        json!({"kind": "club"}),
    ] {
        assert_eq!(
            codes(&change("alice", bad.clone()).await),
            (422, "invalid"),
            "{bad}"
        );
    }
    assert_eq!(
        codes(&change("bob", json!({"name": "Mine"})).await),
        (403, "not_a_member")
    );
    let join = app.call("POST", &format!("{path}/join"), "bob", None).await;
    assert_eq!(codes(&join), (403, "not_open"));
}

#[tokio::test(start_paused = true)]
async fn an_invite_is_made_listed_accepted_and_revoked() {
    let app = App::new().await;
    let id = app.group(&["bob"]).await;
    let invites = format!("/v1/conversations/{id}/invites");
    let new = json!({"max_uses": 2, "client_id": "i"});
    let made = app.post("alice", &invites, new.clone()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (invite, token) = (made.body["invite"].clone(), made.body["token"].clone());
    let again = app.post("alice", &invites, new).await;
    assert_eq!((&again.body["invite"], again.body.get("token")), (&invite, None));
    assert_eq!(
        codes(&app.post("bob", &invites, json!({})).await),
        (403, "forbidden")
    );
    let none = app.post("alice", &invites, json!({"max_uses": 0})).await;
    assert_eq!(codes(&none), (422, "invalid"));

    let accept = async |by: &str| {
        app.post(by, "/v1/invites/accept", json!({ "token": token }))
            .await
    };
    let joined = accept("carol").await;
    assert_eq!((joined.status, &joined.body["conversation"]), (200, &json!(id)));
    let listed = app.get("alice", &invites).await;
    assert_eq!(listed.body["invites"][0]["uses"], 1);
    assert_eq!(listed.body["invites"].as_array().unwrap().len(), 1);

    let one = format!("{invites}/{}", invite.as_str().unwrap());
    assert_eq!(app.call("DELETE", &one, "alice", None).await.status, 200);
    assert_eq!(codes(&accept("dave").await), (404, "unknown_invite"));
    assert_eq!(accept("carol").await.status, 200, "a member already");
    let guess = app
        .post("dave", "/v1/invites/accept", json!({"token": "guess"}))
        .await;
    assert_eq!(codes(&guess), (404, "unknown_invite"));
    assert_eq!(app.get("alice", &invites).await.body, json!({"invites": []}));
    let odd = app.call("DELETE", &format!("{invites}/odd"), "alice", None).await;
    assert_eq!(codes(&odd), (422, "invalid"));
}
