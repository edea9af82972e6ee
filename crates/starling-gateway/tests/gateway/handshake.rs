use starling_protocol::Codec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, request};
use crate::node::{Node, metrics};

/// The codec that is spoken, and the subprotocol that the response names.
async fn spoken(node: &Node, protocols: &[&str], codec: Codec) {
    let request = request(node, "/ws?token=ann", &[], protocols);
    let mut client = Client::open(node, request, codec).await.unwrap();
    client.ready().await;
    client.send(1, "ping", serde_json::json!({})).await;
    client.reply(1).await.unwrap();
    client.socket.close(None).await.unwrap();
    client.close_code_of_own_close().await;
}

impl Client {
    /// After an own close frame: the server answers it and ends the connection.
    pub(crate) async fn close_code_of_own_close(&mut self) {
        loop {
            match tokio::time::timeout(crate::client::SOON, futures::StreamExt::next(&mut self.socket)).await
            {
                Ok(None) => return,
                Ok(Some(Ok(_))) => {}
                other => panic!("the closing handshake is finished in order: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_subprotocol_chooses_the_codec() {
    let node = Node::start().await;
    spoken(&node, &[], Codec::Json).await;
    spoken(&node, &["starling.v1.json"], Codec::Json).await;
    spoken(&node, &["starling.v1.msgpack"], Codec::MessagePack).await;
    // The client's order counts; what is not known is passed over.
    spoken(
        &node,
        &["starling.v9.json", "starling.v1.msgpack", "starling.v1.json"],
        Codec::MessagePack,
    )
    .await;
}

#[tokio::test]
async fn unknown_subprotocols_are_refused() {
    let node = Node::start().await;
    let request = request(&node, "/ws?token=ann", &[], &["starling.v9.json", "mqtt"]);
    let refusal = Client::open(&node, request, Codec::Json).await.err().unwrap();
    assert_eq!((refusal.status, refusal.code.as_str()), (400, "invalid"));
    assert!(
        refusal.message.contains("starling.v1.json"),
        "{}",
        refusal.message
    );
    assert_eq!(node.connections("ann"), 0);
}

#[tokio::test]
async fn plain_http_is_told_so() {
    let node = Node::start().await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let request = "GET /ws?token=ann HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 400"), "{response}");
    assert!(
        response.contains(r#"{"error":{"code":"malformed","#),
        "{response}"
    );
}

#[tokio::test]
async fn what_happens_is_counted() {
    let node = Node::start().await;
    spoken(&node, &[], Codec::Json).await;
    Client::open(&node, request(&node, "/ws?token=mallory", &[], &[]), Codec::Json)
        .await
        .err()
        .unwrap();
    node.until_connections("ann", 0).await;
    let rendered = metrics().render();
    for line in [
        "starling_connections ",
        r#"starling_connections_total{outcome="accepted"}"#,
        r#"starling_connections_total{outcome="unauthenticated"}"#,
        "starling_frames_in_total ",
        "starling_frames_out_total ",
        r#"starling_closes_total{code="client"}"#,
    ] {
        assert!(rendered.contains(line), "{line} is missing in\n{rendered}");
    }
    assert!(
        !rendered.contains("mallory") && !rendered.contains("ann"),
        "no users, no tokens"
    );
}
