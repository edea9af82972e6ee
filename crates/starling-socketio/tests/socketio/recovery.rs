//! Clients whose node dies.

use starling_protocol::{Command, ConversationId, Join, UserId};

use crate::clients::start;
use crate::front::Front;
use crate::node::Services;

const ROOM: &str = "recovery";

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
        let join = Command::Join(Join {
            conversation: ConversationId::new(ROOM).unwrap(),
        });
        second
            .engine
            .execute(&UserId::new("bob").unwrap(), join)
            .await
            .unwrap();
        for number in 1..=10 {
            second.send("bob", ROOM, &format!("{number}")).await;
        }
        client.until("told 10").await.unwrap();
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
