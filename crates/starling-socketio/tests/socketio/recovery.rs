//! Clients whose node dies.

use std::time::Duration;

use starling_protocol::{Command, ConversationId, Join, UserId};
use tokio::time::sleep;

use crate::clients::start;
use crate::front::Front;
use crate::node::{Node, Services};
use crate::polling::{joined, poll_until};

const ROOM: &str = "recovery";

async fn join(node: &Node, user: &str) {
    let join = Command::Join(Join {
        conversation: ConversationId::new(ROOM).unwrap(),
    });
    let user = UserId::new(user).unwrap();
    node.engine.execute(&user, join).await.unwrap();
}

/// What becomes of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Dies,
    IsDrained,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_when_its_node_dies() {
    goes_on(End::Dies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_when_its_node_is_drained() {
    goes_on(End::IsDrained).await;
}

/// Messages before the end, while the client is away, and after it is back.
async fn goes_on(end: End) {
    for (transport, parser) in [
        ("websocket", "json"),
        ("websocket", "msgpack"),
        ("polling", "json"),
    ] {
        let services = Services::new();
        let (first, second) = (services.node().await, services.node().await);
        let front = Front::to(first.address).await;
        let env = [("TRANSPORT", transport), ("PARSER", parser), ("ROOM", ROOM)];
        let mut client = start("recovery.mjs", &front.url(), &env);
        client.until("joined").await.unwrap();
        join(&second, "bob").await;
        for number in 1..=10 {
            second.send("bob", ROOM, &format!("{number}")).await;
        }
        client.until("holds 10").await.unwrap();
        match end {
            // Nobody listens there: the client comes back only when it may.
            End::Dies => front.move_to("127.0.0.1:1".parse().unwrap()),
            End::IsDrained => {
                front.point_to(second.address);
                first.engine.drain().await;
            }
        }
        for number in 11..=25 {
            second.send("bob", ROOM, &format!("{number}")).await;
        }
        if end == End::Dies {
            front.move_to(second.address);
        }
        assert_eq!(
            client.until("again").await.unwrap(),
            "again recovered=true",
            "{transport}"
        );
        for number in 26..=40 {
            second.send("bob", ROOM, &format!("{number}")).await;
        }
        client.succeed().await.unwrap();
        drop(first);
    }
}

/// A node that died between the two polls would leave a client that is told again what it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_tells_of_a_message_says_how_far_the_client_is_then() {
    let node = Services::new().node().await;
    let query = joined(&node, ROOM).await;
    join(&node, "bob").await;
    for number in 0..10 {
        let text = format!("number-{number}");
        let send = async {
            // By then the poll waits: that is when the engine answers it with one packet alone.
            sleep(Duration::from_millis(100)).await;
            node.send("bob", ROOM, &text).await;
        };
        let (told, ()) = tokio::join!(poll_until(&node, &query, &text), send);
        let (_, after) = told.split_once(&text).unwrap();
        assert!(after.contains(r#"["starling:offset","{"#), "{told}");
    }
}
