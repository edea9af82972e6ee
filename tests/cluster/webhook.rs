//! A service that is posted what is stored: by the nodes of a cluster, and by one that needs no services.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use starling_client::Client;
use starling_cluster::{Env, Standalone, node_with_fail_points};
use starling_events::signature;
use starling_protocol::{ConversationId, Seq};

use crate::http_service::{HttpService, Request};
use crate::stage::{Stage, alone, eventually, user};

const SECRET: &str = "the secret of the webhook that is long enough";
/// Messages in each part of a test.
const PART: Seq = 60;

/// Takes events, except while it is away.
struct Listener {
    service: HttpService,
    is_away: Arc<AtomicBool>,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Listener {
    async fn start() -> Self {
        let (is_away, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (away, into) = (Arc::clone(&is_away), Arc::clone(&taken));
        let service = HttpService::start(move |request| {
            if away.load(Ordering::Acquire) {
                return "503 Service Unavailable".to_owned();
            }
            match event(&request) {
                Some(event) => into.lock().push(event),
                None => return "401 Unauthorized".to_owned(),
            }
            "204 No Content".to_owned()
        })
        .await;
        Self {
            service,
            is_away,
            taken,
        }
    }

    fn settings(&self) -> [(String, String); 2] {
        [
            ("STARLING_EVENT_WEBHOOK_URL".to_owned(), self.service.url.clone()),
            ("STARLING_EVENT_WEBHOOK_SECRET".to_owned(), SECRET.to_owned()),
        ]
    }

    fn is_away(&self, away: bool) {
        self.is_away.store(away, Ordering::Release);
    }

    /// The seqs of what was told of a conversation, each where it came first.
    fn told(&self, id: &ConversationId) -> Vec<u64> {
        let mut told = Vec::new();
        for event in &*self.taken.lock() {
            let seq = event["data"]["seq"].as_u64().unwrap();
            if event["data"]["roomId"] == id.as_str() && !told.contains(&seq) {
                told.push(seq);
            }
        }
        told
    }

    /// All was told, in order, up to this seq.
    async fn has(&self, id: &ConversationId, last: Seq) {
        let expected: Vec<_> = (1..=last).collect();
        // A conversation that a killed node has told of is another's after 30 seconds.
        let within = Duration::from_secs(120);
        eventually("all is told", within, async || {
            let told = self.told(id);
            assert!(
                expected.starts_with(&told),
                "something is left out or comes before its time: {told:?}"
            );
            (told == expected).then_some(())
        })
        .await;
    }
}

/// The event that was posted, if it was signed.
fn event(request: &Request) -> Option<Value> {
    let shown = request.headers.get("x-starling-signature")?;
    let at = shown.strip_prefix("t=")?.split(',').next()?.parse().ok()?;
    let event: Value = serde_json::from_str(&request.body).ok()?;
    let is_signed = *shown == signature(SECRET, at, &request.body);
    let is_named = request.headers.get("x-starling-delivery")? == event["id"].as_str()?;
    (is_signed && is_named).then_some(event)
}

/// A client who does not read what he is told.
async fn talker(url: String, token: String) -> Client {
    let builder = Client::builder([url]).token(token).discard_events();
    builder.connect().await.unwrap()
}

async fn say(client: &Client, id: &ConversationId) {
    for number in 0..PART {
        client.send(id, format!("message {number}")).await.unwrap();
    }
}

#[tokio::test]
async fn one_machine_posts_all_that_is_stored_whoever_is_away_meanwhile() {
    let _alone = alone().await;
    let listener = Listener::start().await;
    let mut env = Env::from(listener.settings());
    env.insert("STARLING_SENDS_PER_SECOND".to_owned(), "0".to_owned());
    let node = Standalone::new("webhook", &node_with_fail_points().await.unwrap(), env).unwrap();
    node.start().await.unwrap();
    let ann = talker(node.ws_url(), node.token("ann").unwrap()).await;
    let id = ann.create_group(vec![user("bob")]).await.unwrap().id;
    say(&ann, &id).await;
    listener.has(&id, 1 + PART).await;
    listener.is_away(true);
    say(&ann, &id).await;
    node.kill9().await.unwrap();
    node.start().await.unwrap();
    say(&ann, &id).await;
    listener.is_away(false);
    listener.has(&id, 1 + 3 * PART).await;
}

#[tokio::test]
async fn a_cluster_posts_all_that_is_stored_though_a_node_dies() {
    let listener = Listener::start().await;
    let stage = Stage::start_with("webhook", |config| {
        listener.settings().into_iter().fold(
            config.with_env("STARLING_SENDS_PER_SECOND", 0),
            |config, (name, value)| config.with_env(&name, value),
        )
    })
    .await;
    let ann = talker(stage.front_ws_url(), stage.token("ann").unwrap()).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(ann.create_group(vec![user("bob")]).await.unwrap().id);
    }
    for id in &ids {
        say(&ann, id).await;
    }
    stage.node(1).kill9().await.unwrap();
    for id in &ids {
        say(&ann, id).await;
    }
    for id in &ids {
        listener.has(id, 1 + 2 * PART).await;
    }
}
