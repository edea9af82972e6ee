//! Every documented event of each dialect, by every client, over every transport, in every encoding.

use starling_protocol::{Command, ConversationId, Join, UserId};
use starling_socketio::{Identification, Rooms, SocketIoSettings};

use crate::clients::{run, start};
use crate::node::Services;

const NEW: &str = "socket.io-client";
const OLDER: &str = "socket.io-client-4-5";

/// Client, transport, parser.
const MATRIX: [(&str, &str, &str); 7] = [
    (NEW, "websocket", "json"),
    (NEW, "polling", "json"),
    (NEW, "upgrade", "json"),
    (NEW, "websocket", "msgpack"),
    (NEW, "polling", "msgpack"),
    (OLDER, "websocket", "json"),
    (OLDER, "upgrade", "json"),
];

async fn in_every_way(script: &str) {
    let node = Services::new().node().await;
    for (index, (client, transport, parser)) in MATRIX.into_iter().enumerate() {
        println!("{script}: {client}, {transport}, {parser}");
        let room = format!("room-{index}");
        let env = [
            ("CLIENT", client),
            ("TRANSPORT", transport),
            ("PARSER", parser),
            ("ROOM", &room),
        ];
        run(script, &node.url(), &env).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn campzone_clients_are_served() {
    in_every_way("campzone.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_service_clients_are_served() {
    in_every_way("chat_service.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn community_chats_clients_are_served() {
    in_every_way("community.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chatters_clients_are_served() {
    for (client, transport, parser) in [
        (NEW, "websocket", "json"),
        (NEW, "polling", "msgpack"),
        (OLDER, "upgrade", "json"),
    ] {
        println!("{client}, {transport}, {parser}");
        let env = [("CLIENT", client), ("TRANSPORT", transport), ("PARSER", parser)];
        // A node of its own: the two people of the script are to be strangers.
        run("chatter.mjs", &Services::new().node().await.url(), &env).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_services_own_example_runs() {
    let node = Services::new().node().await;
    run("snippet.cjs", &node.url(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_clients_are_served() {
    let node = Services::new().node().await;
    for transport in ["websocket", "polling", "upgrade"] {
        let env = [("TRANSPORT", transport), ("ROOM", transport)];
        run("clients.py", &node.url(), &env).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_events_of_one_client_arrive_in_order() {
    let node = Services::new().node().await;
    for transport in ["websocket", "polling"] {
        let env = [("TRANSPORT", transport), ("ROOM", transport)];
        run("order.mjs", &node.url(), &env).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_user_id_is_enough_in_development() {
    let settings = SocketIoSettings {
        identification: Identification::BareUserId,
        rooms: Rooms::MadeOnJoin,
        ..SocketIoSettings::default()
    };
    let node = Services::new().node_with(settings).await;
    run("development.mjs", &node.url(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dialects_see_one_order_on_all_nodes() {
    let services = Services::new();
    let (first, second) = (services.node().await, services.node().await);
    let other = second.url();
    let env = [("OTHER_URL", other.as_str())];
    let mut script = start("together.mjs", &first.url(), &env);
    script.until("joined").await.unwrap();
    let join = Command::Join(Join {
        conversation: ConversationId::new("community").unwrap(),
    });
    let bob = UserId::new("bob").unwrap();
    second.engine.execute(&bob, join).await.unwrap();
    for number in 0..20 {
        second.send("bob", "community", &format!("bob {number}")).await;
    }
    script.succeed().await.unwrap();
}
