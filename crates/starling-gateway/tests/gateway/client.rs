//! A client that takes frames as they come.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use starling_protocol::{Codec, Entry, Error, Event, Ready, Reply, ServerFrame};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error as WireError, Message};

use crate::node::Node;

/// Longer than anything here takes, shorter than patience.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) codec: Codec,
}

/// How a handshake that was refused in HTTP was answered.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Client {
    /// Connects as a user, with the token in the header, and takes the `ready` event.
    pub(crate) async fn connect(node: &Node, user: &str) -> Self {
        Self::connect_in(node, user, Codec::Json).await
    }

    pub(crate) async fn connect_in(node: &Node, user: &str, codec: Codec) -> Self {
        let request = request(
            node,
            "/ws",
            &[("authorization", &format!("Bearer {user}"))],
            &[codec.subprotocol()],
        );
        let mut client = Self::open(node, request, codec).await.unwrap();
        client.ready().await;
        client
    }

    /// Opens a WebSocket without a token.
    pub(crate) async fn pending(node: &Node, codec: Codec) -> Self {
        Self::open(node, request(node, "/ws", &[], &[codec.subprotocol()]), codec)
            .await
            .unwrap()
    }

    pub(crate) async fn open(node: &Node, request: Request, codec: Codec) -> Result<Self, Refusal> {
        Self::open_with(node, request, codec, None).await
    }

    /// `buffer`: what the kernel may hold for the client in each direction.
    pub(crate) async fn open_with(
        node: &Node,
        request: Request,
        codec: Codec,
        buffer: Option<u32>,
    ) -> Result<Self, Refusal> {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
            socket.set_send_buffer_size(bytes).unwrap();
        }
        let stream = socket.connect(node.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let handshake = tokio_tungstenite::client_async(request, stream);
        match tokio::time::timeout(SOON, handshake)
            .await
            .expect("a handshake in time")
        {
            Ok((socket, _)) => Ok(Self { socket, codec }),
            Err(WireError::Http(response)) => {
                let body: Value = serde_json::from_slice(response.body().as_deref().unwrap()).unwrap();
                Err(Refusal {
                    status: response.status().as_u16(),
                    code: body["error"]["code"].as_str().unwrap().to_owned(),
                    message: body["error"]["message"].as_str().unwrap().to_owned(),
                })
            }
            Err(other) => panic!("handshake: {other}"),
        }
    }

    /// Sends `{"id":…,"<tag>":{…}}`.
    pub(crate) async fn send(&mut self, id: u64, tag: &str, payload: Value) {
        let frame = json!({"id": id, tag: payload});
        let message = match self.codec {
            Codec::Json => Message::text(frame.to_string()),
            Codec::MessagePack => Message::binary(rmp_serde::to_vec_named(&frame).unwrap()),
        };
        self.send_raw(message).await;
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        tokio::time::timeout(SOON, self.socket.send(message))
            .await
            .expect("sent in time")
            .unwrap();
    }

    /// The next message of whatever kind.
    pub(crate) async fn message(&mut self) -> Message {
        let message = tokio::time::timeout(SOON, self.socket.next())
            .await
            .expect("a message in time");
        message.expect("not the end").expect("a message")
    }

    /// The next frame; heartbeats are passed over.
    pub(crate) async fn frame(&mut self) -> ServerFrame {
        loop {
            match (self.message().await, self.codec) {
                (Message::Text(text), Codec::Json) => {
                    return self.codec.decode_server(text.as_bytes()).unwrap();
                }
                (Message::Binary(bytes), Codec::MessagePack) => {
                    return self.codec.decode_server(&bytes).unwrap();
                }
                (Message::Ping(_) | Message::Pong(_), _) => {}
                (other, codec) => panic!("a {codec:?} frame is expected, not {other:?}"),
            }
        }
    }

    pub(crate) async fn ready(&mut self) -> Ready {
        match self.frame().await {
            ServerFrame::Event(Event::Ready(ready)) => ready,
            other => panic!("`ready` comes first, not {other:?}"),
        }
    }

    /// The next frame is the reply to this id.
    pub(crate) async fn reply(&mut self, id: u64) -> Result<Reply, Error> {
        match self.frame().await {
            ServerFrame::Reply { id: found, result } if found == id => result,
            other => panic!("the reply to {id} is expected, not {other:?}"),
        }
    }

    pub(crate) async fn error_event(&mut self) -> Error {
        match self.frame().await {
            ServerFrame::Event(Event::Error(error)) => error,
            other => panic!("an error event is expected, not {other:?}"),
        }
    }

    /// The next entry; replies and other events are passed over.
    pub(crate) async fn entry(&mut self) -> std::sync::Arc<Entry> {
        loop {
            if let ServerFrame::Event(Event::Entry(entry)) = self.frame().await {
                return entry;
            }
        }
    }

    /// Reads up to the close frame and answers it. The code.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.message().await {
                let code = frame.expect("a close code").code.into();
                // Sends the answer; the server ends the connection.
                let end = tokio::time::timeout(SOON, self.socket.next())
                    .await
                    .expect("an end in time");
                assert!(
                    matches!(end, None | Some(Err(_))),
                    "nothing follows a close frame: {end:?}"
                );
                return code;
            }
        }
    }
}

/// A handshake's request.
pub(crate) fn request(
    node: &Node,
    target: &str,
    headers: &[(&'static str, &str)],
    protocols: &[&str],
) -> Request {
    let mut request = format!("ws://{}{target}", node.address)
        .into_client_request()
        .unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    if !protocols.is_empty() {
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocols.join(", ").parse().unwrap());
    }
    request
}
