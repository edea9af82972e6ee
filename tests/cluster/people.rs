//! People on a real cluster: signing in on one node and going on at another, sessions that end everywhere, contacts and
//! blocks.

use std::time::Duration;

use serde_json::{Value, json};
use starling_client::{Client, Error};
use starling_cluster::ClusterConfig;
use starling_protocol::{AddContact, ListPeople, ProfileChange, UserId};
use tokio::time::{Instant, timeout};

use crate::raw::{Raw, Received};
use crate::stage::{Stage, eventually};

const JSON: &str = "starling.v1.json";
/// What "within seconds" is at most.
const WITHIN_SECONDS: Duration = Duration::from_secs(6);
/// The same, of what a node may believe for five of them, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

pub(crate) fn in_development(config: ClusterConfig) -> ClusterConfig {
    config
        .with_env("STARLING_DEVELOPMENT", true)
        .with_env("STARLING_CODE_IN_ANSWER", true)
        .with_env("STARLING_CODES_PER_PHONE_HOUR", 100)
        .with_env("STARLING_CODES_PER_ADDRESS_HOUR", 1_000)
}

/// One person's way to the HTTP API of every node.
pub(crate) struct Person<'a> {
    stage: &'a Stage,
    http: reqwest::Client,
    tokens: Value,
}

async fn call(
    stage: &Stage,
    http: &reqwest::Client,
    node: usize,
    (method, path): (&str, &str),
    token: Option<&str>,
    body: Option<Value>,
) -> (u16, Value) {
    let url = format!("{}{path}", stage.node(node).url());
    let mut request = http.request(method.parse().unwrap(), url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    // A node that takes a busy machine for a Redis that is away asks its clients to try again.
    let (mut status, mut text) = (0, String::new());
    eventually("the node serves", SOON, async || {
        let response = request.try_clone().unwrap().send().await.unwrap();
        status = response.status().as_u16();
        text = response.text().await.unwrap();
        (status != 503).then_some(())
    })
    .await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

impl<'a> Person<'a> {
    /// The code at one node, the tokens at another.
    pub(crate) async fn sign_in(stage: &'a Stage, phone: &str, nodes: (usize, usize)) -> Self {
        let http = reqwest::Client::new();
        let asked = json!({"phone": phone});
        let (status, sent) = call(
            stage,
            &http,
            nodes.0,
            ("POST", "/v1/auth/code"),
            None,
            Some(asked),
        )
        .await;
        assert_eq!(status, 202, "{sent}");
        let shown = json!({"phone": phone, "code": sent["code"]});
        let (status, tokens) = call(
            stage,
            &http,
            nodes.1,
            ("POST", "/v1/auth/token"),
            None,
            Some(shown),
        )
        .await;
        assert_eq!(status, 200, "{tokens}");
        Self { stage, http, tokens }
    }

    fn id(&self) -> &str {
        self.tokens["user"].as_str().unwrap()
    }

    fn token(&self) -> &str {
        self.tokens["access_token"].as_str().unwrap()
    }

    async fn call(&self, node: usize, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        call(
            self.stage,
            &self.http,
            node,
            (method, path),
            Some(self.token()),
            body,
        )
        .await
    }

    async fn refresh(&self, node: usize) -> (u16, Value) {
        let body = json!({"refresh_token": self.tokens["refresh_token"]});
        call(
            self.stage,
            &self.http,
            node,
            ("POST", "/v1/auth/refresh"),
            None,
            Some(body),
        )
        .await
    }

    async fn connect(&self, node: usize) -> Raw {
        let url = self.stage.node(node).ws_url();
        let mut raw = Raw::connect(&url, JSON, Some(self.token())).await.unwrap();
        assert_eq!(raw.json().await["ready"]["user"], self.id());
        raw
    }

    async fn is_refused_everywhere(&self) {
        for node in 0..3 {
            eventually("the token is refused", SOON, async || {
                (self.call(node, "GET", "/v1/me", None).await.0 == 401).then_some(())
            })
            .await;
            assert_eq!(self.refresh(node).await.0, 401);
        }
    }
}

async fn closes(raw: &mut Raw, began: Instant) {
    let last = timeout(WITHIN_SECONDS.saturating_sub(began.elapsed()), raw.receive()).await;
    assert_eq!(last.expect("within seconds"), Received::Closed(4204));
}

#[tokio::test]
async fn a_session_begins_on_one_node_and_ends_on_all() {
    let stage = Stage::start_with("sessions", in_development).await;
    let ann = Person::sign_in(&stage, "+4915123456789", (0, 1)).await;
    assert_eq!(ann.tokens["new_user"], true);
    let (status, me) = ann.call(2, "GET", "/v1/me", None).await;
    assert_eq!((status, &me["phone"]), (200, &json!("+4915123456789")));
    let tablet = Person::sign_in(&stage, "+49 1512 3456789", (2, 0)).await;
    assert_eq!(tablet.id(), ann.id());
    let (status, next) = ann.refresh(2).await;
    assert_eq!((status, &next["session"]), (200, &ann.tokens["session"]));
    // The answer might have got lost: the same again, elsewhere.
    assert_eq!(ann.refresh(0).await.1["refresh_token"], next["refresh_token"]);

    let mut connections = [
        ann.connect(0).await,
        ann.connect(1).await,
        tablet.connect(1).await,
    ];
    let began = Instant::now();
    let everywhere = json!({"everywhere": true});
    let (status, _) = ann
        .call(2, "POST", "/v1/auth/sign-out", Some(everywhere.clone()))
        .await;
    assert_eq!(status, 204);
    for connection in &mut connections {
        closes(connection, began).await;
    }
    println!("all connections were closed within {:?}", began.elapsed());
    ann.is_refused_everywhere().await;
    tablet.is_refused_everywhere().await;

    // Nobody is told: Redis has forgotten where she is connected.
    let ann = Person::sign_in(&stage, "+4915123456789", (1, 2)).await;
    let mut connections = [ann.connect(0).await, ann.connect(1).await];
    let key = format!("user:{{{}}}", ann.id());
    stage.redis().command(&["DEL", &key]).await.unwrap();
    let began = Instant::now();
    let (status, _) = ann.call(2, "POST", "/v1/auth/sign-out", Some(json!({}))).await;
    assert_eq!(status, 204);
    for connection in &mut connections {
        closes(connection, began).await;
    }
    println!("without the message, within {:?}", began.elapsed());
    ann.is_refused_everywhere().await;

    // MongoDB decides: Redis may lose all.
    stage.redis().command(&["FLUSHALL"]).await.unwrap();
    ann.is_refused_everywhere().await;
    let again = Person::sign_in(&stage, "+4915123456789", (0, 1)).await;
    assert_eq!(again.id(), ann.id());
    // A node that starts learns it before it serves.
    let (token, refused) = (again.token().to_owned(), ann.token().to_owned());
    stage.node(0).kill9().await.unwrap();
    stage.node(0).start().await.unwrap();
    let http = reqwest::Client::new();
    let me = ("GET", "/v1/me");
    assert_eq!(call(&stage, &http, 0, me, Some(&refused), None).await.0, 401);
    assert_eq!(call(&stage, &http, 0, me, Some(&token), None).await.0, 200);
}

#[tokio::test]
async fn people_get_to_know_each_other_and_may_close_the_door() {
    let stage = Stage::start_with("people", in_development).await;
    // One code, shown at two nodes at the same instant: one session, one user.
    let http = reqwest::Client::new();
    let asked = json!({"phone": "+4915123456789"});
    let (_, sent) = call(&stage, &http, 0, ("POST", "/v1/auth/code"), None, Some(asked)).await;
    let shown = json!({"phone": "+4915123456789", "code": sent["code"], "name": "Ann"});
    let show = |node| {
        call(
            &stage,
            &http,
            node,
            ("POST", "/v1/auth/token"),
            None,
            Some(shown.clone()),
        )
    };
    let (one, other) = tokio::join!(show(1), show(2));
    let mut statuses = [one.0, other.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401], "{one:?} {other:?}");
    let tokens = if one.0 == 200 { one.1 } else { other.1 };
    let ann = Person {
        stage: &stage,
        http: http.clone(),
        tokens,
    };
    let again = Person::sign_in(&stage, "+4915123456789", (2, 0)).await;
    assert_eq!(again.id(), ann.id());
    let eve = Person::sign_in(&stage, "+4915123456780", (1, 0)).await;

    // They are contacts by having a direct conversation.
    let direct = json!({"kind": "direct", "members": [ann.id()]});
    let (status, conversation) = eve
        .call(0, "POST", "/v1/conversations", Some(direct.clone()))
        .await;
    assert_eq!(status, 201, "{conversation}");
    let (_, page) = ann.call(1, "GET", "/v1/contacts", None).await;
    assert_eq!(page["contacts"][0]["user"]["id"], eve.id(), "{page}");
    assert_eq!(
        page["contacts"][0]["user"].get("phone"),
        None,
        "nobody gave a number"
    );
    let (_, seen) = eve.call(2, "GET", &format!("/v1/users/{}", ann.id()), None).await;
    assert_eq!((&seen["name"], &seen["contact"]), (&json!("Ann"), &json!(true)));
    let (status, added) = eve
        .call(
            1,
            "POST",
            "/v1/contacts",
            Some(json!({"phone": "+49 1512 3456789"})),
        )
        .await;
    assert_eq!((status, &added["user"]["phone"]), (200, &json!("+4915123456789")));

    // A block holds on every node: at once where eve is connected, within seconds where she was served before.
    let messages = format!(
        "/v1/conversations/{}/messages",
        conversation["id"].as_str().unwrap()
    );
    let says = async |node: usize, number: u64| {
        let message = json!({"client_id": format!("m{number}"), "text": "hello?"});
        eve.call(node, "POST", &messages, Some(message)).await.0
    };
    for node in 0..3 {
        assert_eq!(says(node, node as u64).await, 201);
    }
    let _connected = eve.connect(1).await;
    let block = format!("/v1/blocks/{}", eve.id());
    assert_eq!(ann.call(2, "PUT", &block, None).await.0, 204);
    assert_eq!(says(2, 10).await, 403, "on the node that was asked");
    let mut number = 100;
    for node in [1, 0] {
        eventually("eve is refused", SOON, async || {
            number += 1;
            (says(node, number).await == 403).then_some(())
        })
        .await;
    }
    let (status, refusal) = eve.call(0, "POST", "/v1/conversations", Some(direct)).await;
    assert_eq!((status, &refusal["error"]["code"]), (403, &json!("forbidden")));
    let (_, page) = ann.call(0, "GET", "/v1/contacts", None).await;
    assert_eq!(page["contacts"], json!([]));
    assert_eq!(ann.call(0, "DELETE", &block, None).await.0, 204);
    eventually("eve may write again", SOON, async || {
        number += 1;
        (says(0, number).await == 201).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_does_for_people_what_the_http_api_does() {
    let stage = Stage::start_with("people-native", in_development).await;
    let ann = Person::sign_in(&stage, "+4915123456789", (0, 1)).await;
    let tablet = Person::sign_in(&stage, "+4915123456789", (1, 2)).await;
    let bob = Person::sign_in(&stage, "+4915123456780", (2, 0)).await;
    let client = async |person: &Person<'_>, node: usize| {
        let client = Client::builder([stage.node(node).ws_url()])
            .token(person.token())
            .discard_events()
            .connect()
            .await
            .unwrap();
        client.live().await.unwrap();
        client
    };
    let (on_phone, on_tablet) = (client(&ann, 0).await, client(&tablet, 1).await);
    let on_bobs = client(&bob, 2).await;
    let bobs_id = UserId::new(bob.id()).unwrap();

    let change = ProfileChange {
        name: Some("Ann".into()),
        ..ProfileChange::default()
    };
    on_phone.profile(change).await.unwrap();
    let (_, me) = tablet.call(2, "GET", "/v1/me", None).await;
    assert_eq!(me["name"], "Ann");
    let by_phone = AddContact {
        phone: Some("+49 1512 3456780".into()),
        user: None,
    };
    assert_eq!(on_phone.add_contact(by_phone).await.unwrap().user.id, bobs_id);
    let contacts = on_bobs.contacts(ListPeople::default()).await.unwrap().contacts;
    assert_eq!(contacts[0].user.name.as_deref(), Some("Ann"), "both ways");
    let (_, page) = ann.call(1, "GET", "/v1/contacts", None).await;
    assert_eq!(page["contacts"][0]["user"]["id"], bob.id());
    on_tablet.block(bobs_id.clone()).await.unwrap();
    assert_eq!(
        on_phone.blocked(ListPeople::default()).await.unwrap().users,
        std::slice::from_ref(&bobs_id)
    );
    assert!(
        on_bobs
            .contacts(ListPeople::default())
            .await
            .unwrap()
            .contacts
            .is_empty()
    );
    on_phone.unblock(bobs_id).await.unwrap();

    let listed = on_tablet.sessions().await.unwrap();
    let current: Vec<_> = listed.iter().filter(|session| session.current).collect();
    assert_eq!((listed.len(), current.len()), (2, 1));
    assert_eq!(Value::from(current[0].id.as_str()), tablet.tokens["session"]);
    on_tablet
        .end_session(ann.tokens["session"].as_str().unwrap().to_owned())
        .await
        .unwrap();
    eventually("the phone is signed out", SOON, async || {
        matches!(on_phone.ping().await, Err(Error::Ended { code: 4204, .. })).then_some(())
    })
    .await;
    assert!(matches!(
        on_tablet.sign_out(true).await,
        Err(Error::Ended { code: 4204, .. })
    ));
    tablet.is_refused_everywhere().await;
    on_bobs.ping().await.unwrap();
}
