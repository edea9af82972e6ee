//! Who is not let in.

use crate::clients::run;
use crate::node::Services;

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told() {
    let node = Services::new().node().await;
    for transport in ["websocket", "polling"] {
        run("refusals.mjs", &node.url(), &[("TRANSPORT", transport)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_its_token() {
    let node = Services::new().node().await;
    for (transport, parser) in [("websocket", "json"), ("polling", "msgpack")] {
        let env = [("TRANSPORT", transport), ("PARSER", parser)];
        run("expiry.mjs", &node.url(), &env).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_begins_a_session_names_it_for_the_balancer() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let node = Services::new().node().await;
    let mut stream = tokio::net::TcpStream::connect(node.address).await.unwrap();
    let request = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let sid = response
        .lines()
        .find_map(|line| line.strip_prefix("x-engine-sid: "))
        .unwrap();
    assert!(response.contains(&format!("\"sid\":\"{sid}\"")), "{response}");
}
