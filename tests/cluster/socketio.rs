//! Socket.IO's own clients on a real cluster, through the front: polling included, which must find its node again.

use std::time::Duration;

use serde_json::{Value, json};
use starling_cluster::SocketIoClients;
use starling_protocol::ConversationId;

use crate::auth_service::AuthService;
use crate::people::in_development;
use crate::stage::{Stage, eventually};

/// Tokens of the scripts' users, for them to read.
fn tokens(stage: &Stage, users: &[&str]) -> String {
    let tokens = users
        .iter()
        .map(|user| ((*user).to_owned(), json!(stage.token(user).unwrap())));
    serde_json::Value::Object(tokens.collect()).to_string()
}

#[tokio::test]
async fn socketio_clients_are_served_through_the_front() {
    // CampZone's users have tokens of the cluster's own, Chat Service's those of its auth service.
    let auth = AuthService::start().await;
    let stage = Stage::start_with("socketio", |config| {
        config.with_env("STARLING_TOKEN_VERIFY_URL", &auth.url)
    })
    .await;
    let clients = SocketIoClients::install().unwrap();
    let mut tokens: Value =
        serde_json::from_str(&tokens(&stage, &["ann", "bob", "eve", "reader", "writer"])).unwrap();
    for user in ["jane", "john", "jack"] {
        tokens[user] = json!(format!("opaque-{user}"));
    }
    let tokens = tokens.to_string();
    let ways = [
        ("websocket", "json"),
        ("polling", "json"),
        ("upgrade", "json"),
        ("polling", "msgpack"),
    ];
    for (transport, parser) in ways {
        for script in ["campzone.mjs", "chat_service.mjs", "order.mjs"] {
            println!("{script}: {transport}, {parser}");
            let room = format!("{script}-{transport}-{parser}");
            let env = [
                ("TRANSPORT", transport),
                ("PARSER", parser),
                ("TOKENS", &tokens),
                ("ROOM", &room),
            ];
            clients.run(script, &stage.front_url(), &env).await.unwrap();
        }
    }
    let (requests, tokens) = auth.asked();
    assert_eq!(tokens, 3, "the cluster's own tokens are nobody else's business");
    // Each node asks once for each user, and once more when what it remembers is too old.
    assert!(requests <= 3 * 3 * 4, "{requests}");
}

#[tokio::test]
async fn community_chats_clients_are_served_through_the_front() {
    let stage = Stage::start("socketio-community").await;
    let clients = SocketIoClients::install().unwrap();
    let mut users = vec!["ann", "bob", "reader", "cleo", "carl", "peer0", "peer1", "peer2"];
    users.extend(["chad-websocket", "cora-websocket", "chad-polling", "cora-polling"]);
    let tokens = tokens(&stage, &users);
    let ways = [
        ("socket.io-client", "websocket", "json"),
        ("socket.io-client", "polling", "msgpack"),
        ("socket.io-client-4-5", "upgrade", "json"),
    ];
    for (index, (client, transport, parser)) in ways.into_iter().enumerate() {
        println!("{client}, {transport}, {parser}");
        let peer = format!("peer{index}");
        let env = [
            ("PEER", peer.as_str()),
            ("CLIENT", client),
            ("TRANSPORT", transport),
            ("PARSER", parser),
            ("TOKENS", &tokens),
        ];
        clients
            .run("community.mjs", &stage.front_url(), &env)
            .await
            .unwrap();
    }
    for transport in ["websocket", "polling"] {
        println!("Python, {transport}");
        let env = [("TRANSPORT", transport), ("TOKENS", &tokens), ("ROOM", transport)];
        clients.run("clients.py", &stage.front_url(), &env).await.unwrap();
    }
    sockets_are_shown_to_administrators_only(&stage, &clients, &tokens).await;
}

/// `/api/socket-info` of each node: its own, and nobody else's.
async fn sockets_are_shown_to_administrators_only(stage: &Stage, clients: &SocketIoClients, tokens: &str) {
    let env = [("TOKENS", tokens), ("ROOM", "shown")];
    let mut client = clients.start("recovery.mjs", &stage.node(1).url(), &env).unwrap();
    client.until("joined").await.unwrap();
    let info = async |node: usize, token: String| {
        let request = reqwest::Client::new().get(format!("{}/api/socket-info", stage.node(node).url()));
        let answer = request.bearer_auth(token).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let (refused, why) = info(1, stage.token("ann").unwrap()).await;
    assert_eq!((refused, &why["code"]), (403, &json!("forbidden")));
    let admin = || stage.admin_token("ops").unwrap();
    // Of clients that polled and left without a word, a node learns by their silence.
    let sockets = eventually(
        "all others are gone from both",
        Duration::from_secs(120),
        async || {
            let (status, shown) = info(1, admin()).await;
            assert_eq!(status, 200, "{shown}");
            let (_, elsewhere) = info(0, admin()).await;
            (shown["totalConnections"] == 1 && elsewhere["totalConnections"] == 0)
                .then(|| shown["sockets"].clone())
        },
    )
    .await;
    assert_eq!(
        (
            &sockets[0]["userId"],
            &sockets[0]["rooms"],
            &sockets[0]["connected"]
        ),
        (&json!("ann"), &json!(["shown"]), &json!(true))
    );
}

#[tokio::test]
async fn chatters_clients_are_served_through_the_front() {
    let stage = Stage::start_with("socketio-chatter", |config| {
        in_development(config).with_env("STARLING_SENDS_PER_SECOND", 0)
    })
    .await;
    let clients = SocketIoClients::install().unwrap();
    // The first two sign in by phone. The others are strangers again: they bring tokens.
    let tokens = tokens(&stage, &["ann", "bob"]);
    for (codes, transport, parser) in [("1", "websocket", "json"), ("", "polling", "msgpack")] {
        println!("{transport}, {parser}");
        let env = [
            ("CODES", codes),
            ("TRANSPORT", transport),
            ("PARSER", parser),
            ("TOKENS", &tokens),
        ];
        clients
            .run("chatter.mjs", &stage.front_url(), &env)
            .await
            .unwrap();
    }
    let status = reqwest::get(format!("{}/api/redis/status", stage.front_url()))
        .await
        .unwrap();
    assert_eq!(status.status(), 200);
    assert_eq!(status.json::<Value>().await.unwrap()["status"], "connected");
}

/// One conversation, clients of every dialect and a native one, each at another node: one order, and it is the log's.
#[tokio::test]
async fn all_dialects_and_native_clients_see_one_order() {
    let stage = Stage::start("socketio-together").await;
    let clients = SocketIoClients::install().unwrap();
    let tokens = tokens(&stage, &["ann", "jane", "cleo", "chad"]);
    let (other, third) = (stage.node(1).url(), stage.node(2).url());
    let env = [
        ("TOKENS", tokens.as_str()),
        ("OTHER_URL", &other),
        ("THIRD_URL", &third),
    ];
    let mut script = clients.start("together.mjs", &stage.node(0).url(), &env).unwrap();
    script.until("joined").await.unwrap();
    let community = ConversationId::new("community").unwrap();
    let bob = stage.client_at(2, "bob").await;
    bob.join(&community).await.unwrap();
    for number in 0..20 {
        bob.send(&community, format!("bob {number}")).await.unwrap();
    }
    let order = script.until("order ").await.unwrap();
    script.succeed().await.unwrap();
    let told: Vec<String> = serde_json::from_str(order.trim_start_matches("order ")).unwrap();
    let stored: Vec<_> = stage
        .stored(&community)
        .await
        .into_iter()
        .filter(|entry| {
            entry
                .get_document("body")
                .is_ok_and(|body| body.contains_key("message"))
        })
        .map(|entry| format!("community:{}", entry.get_i64("seq").unwrap()))
        .collect();
    assert_eq!(told, stored);
}

/// The number of Socket.IO clients that a node has.
async fn clients_of(stage: &Stage, node: usize) -> Option<u64> {
    let url = format!("{}/metrics", stage.node(node).url());
    let metrics = reqwest::get(url).await.ok()?.text().await.ok()?;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("starling_socketio_connections "))?;
    line.split(' ').nth(1)?.parse().ok()
}

#[tokio::test]
async fn a_socketio_client_recovers_when_its_node_is_killed() {
    let stage = Stage::start("socketio-kill").await;
    let clients = SocketIoClients::install().unwrap();
    let tokens = tokens(&stage, &["ann"]);
    for (round, transport) in ["websocket", "polling"].into_iter().enumerate() {
        let room = format!("room-of-{transport}");
        let env = [("TRANSPORT", transport), ("TOKENS", &tokens), ("ROOM", &room)];
        let mut client = clients.start("recovery.mjs", &stage.front_url(), &env).unwrap();
        client.until("joined").await.unwrap();
        let mut its_node = None;
        for node in 0..3 {
            if clients_of(&stage, node).await.is_some_and(|count| count > 0) {
                its_node = Some(node);
            }
        }
        let its_node = its_node.expect("a node with a Socket.IO client");
        // A native client, on another node, in the same conversation.
        let bob = stage.client_at((its_node + 1) % 3, "bob").await;
        let room = ConversationId::new(&room).unwrap();
        bob.join(&room).await.unwrap();
        for number in 1..=10 {
            bob.send(&room, format!("{number}")).await.unwrap();
        }
        client.until("holds 10").await.unwrap();
        stage.node(its_node).kill9().await.unwrap();
        for number in 11..=25 {
            bob.send(&room, format!("{number}")).await.unwrap();
        }
        assert_eq!(
            client.until("again").await.unwrap(),
            "again recovered=true",
            "round {round}"
        );
        for number in 26..=40 {
            bob.send(&room, format!("{number}")).await.unwrap();
        }
        client.succeed().await.unwrap();
        stage.node(its_node).start().await.unwrap();
        eventually("the node serves again", Duration::from_secs(30), async || {
            clients_of(&stage, its_node).await
        })
        .await;
    }
}
