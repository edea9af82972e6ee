//! A WebSocket client that says exactly what it is told to, right or wrong.

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) struct Raw(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Frame(String),
    Bytes(Vec<u8>),
    Closed(u16),
}

impl Raw {
    /// Connects, with a subprotocol and perhaps a token.
    pub(crate) async fn connect(
        url: &str,
        subprotocol: &str,
        token: Option<&str>,
    ) -> Result<Self, tungstenite::Error> {
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert(
            "Sec-WebSocket-Protocol",
            HeaderValue::from_str(subprotocol).unwrap(),
        );
        if let Some(token) = token {
            headers.insert(
                "Authorization",
                HeaderValue::from_str(&format!("Bearer {token}")).unwrap(),
            );
        }
        Ok(Self(connect_async(request).await?.0))
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub(crate) async fn receive(&mut self) -> Received {
        loop {
            let next = timeout(Duration::from_secs(30), self.0.next())
                .await
                .expect("a frame within 30 s");
            return match next {
                Some(Ok(Message::Text(text))) => Received::Frame(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => Received::Bytes(bytes.to_vec()),
                Some(Ok(Message::Close(close))) => {
                    Received::Closed(close.map_or(1005, |close| close.code.into()))
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => Received::Closed(1006),
            };
        }
    }

    /// The next text frame, as JSON.
    pub(crate) async fn json(&mut self) -> Value {
        match self.receive().await {
            Received::Frame(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("no text frame: {other:?}"),
        }
    }

    /// Says something, and gives the reply to it: the next frame with this id.
    pub(crate) async fn ask(&mut self, text: &str, id: u64) -> Value {
        self.send(Message::text(text)).await;
        loop {
            let frame = self.json().await;
            if frame["id"] == id {
                return frame;
            }
        }
    }
}
