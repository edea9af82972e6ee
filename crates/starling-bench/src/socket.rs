//! One WebSocket of a load.

use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// A WebSocket over plain TCP with `TCP_NODELAY`.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Connects to `ws://host:port/…` with what `prepare` adds to the handshake.
pub(crate) async fn connect(
    url: &str,
    buffer: usize,
    prepare: impl FnOnce(&mut Request) -> Result<()>,
) -> Result<Socket> {
    let mut request = url.into_client_request()?;
    prepare(&mut request)?;
    let authority = request
        .uri()
        .authority()
        .context("a URL without a host")?
        .as_str();
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(buffer)
        .write_buffer_size(buffer);
    let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
    Ok(socket)
}

/// Waits for the first message that `found` makes something of; throws the others away.
pub(crate) async fn until<T>(
    socket: &mut Socket,
    mut found: impl FnMut(&Message) -> Result<Option<T>>,
) -> Result<T> {
    while let Some(message) = socket.next().await {
        if let Some(value) = found(&message?)? {
            return Ok(value);
        }
    }
    bail!("the connection ended")
}

/// Says one thing.
pub(crate) async fn say(socket: &mut Socket, message: Message) -> Result<()> {
    Ok(socket.send(message).await?)
}
