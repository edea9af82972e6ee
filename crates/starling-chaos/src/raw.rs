//! A WebSocket client that says exactly what it is told to, right or wrong, and is not recorded.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

const PATIENCE: Duration = Duration::from_secs(15);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(200);
/// As little as the kernel will give.
const SLOW_BUFFER: u32 = 4 * 1024;

pub(crate) struct Raw(WebSocketStream<TcpStream>);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this close code.
    Code(u16),
    /// Without one.
    Broken,
}

impl Raw {
    /// Connects, and waits until the node is ready for it. Tries again for a while, as clients do: another fault may be
    /// striking at the same time, and the front have nobody to send it to.
    pub(crate) async fn connect(url: &str, token: &str) -> Result<Self> {
        persistently(url, token, None).await
    }

    /// The same, with little room for what it does not read.
    pub(crate) async fn connect_slow(url: &str, token: &str) -> Result<Self> {
        persistently(url, token, Some(SLOW_BUFFER)).await
    }

    pub(crate) async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.0.send(message).await
    }

    /// Reads until the node ends the connection.
    pub(crate) async fn end(&mut self) -> Result<Ended> {
        let end = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Close(Some(close)))) => return Ended::Code(close.code.into()),
                    Some(Ok(Message::Close(None)) | Err(_)) | None => return Ended::Broken,
                    Some(Ok(_)) => {}
                }
            }
        };
        timeout(PATIENCE, end).await.context("the node did not close")
    }
}

async fn persistently(url: &str, token: &str, receive_buffer: Option<u32>) -> Result<Raw> {
    let mut why = None;
    let attempts = async {
        loop {
            match open(url, token, receive_buffer).await {
                Ok(raw) => return raw,
                Err(error) => why = Some(error),
            }
            sleep(BETWEEN_ATTEMPTS).await;
        }
    };
    match timeout(PATIENCE, attempts).await {
        Ok(raw) => Ok(raw),
        Err(late) => Err(why.unwrap_or_else(|| late.into())),
    }
}

async fn open(url: &str, token: &str, receive_buffer: Option<u32>) -> Result<Raw> {
    let mut request = url.into_client_request()?;
    let host = request.uri().authority().context("the URL has a host")?.as_str();
    let address = lookup_host(host)
        .await?
        .next()
        .context("the host has an address")?;
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let headers = request.headers_mut();
    headers.insert(
        "Sec-WebSocket-Protocol",
        HeaderValue::from_static("starling.v1.json"),
    );
    headers.insert(
        "Authorization",
        HeaderValue::from_str(&format!("Bearer {token}"))?,
    );
    let (mut socket, _) = client_async(request, stream).await?;
    let first = socket.next().await.context("the connection ended at once")??;
    ensure!(first.to_text()?.contains("\"ready\""), "the node said {first}");
    Ok(Raw(socket))
}
