//! Socket.IO over a WebSocket, as the yardstick speaks it, and Starling too: Engine.IO 4, JSON, the default namespace.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use futures::future::try_join_all;
use serde_json::{Value, json};
use starling_cluster::mint_token;
use tokio::sync::{Barrier, Semaphore};
use tokio_tungstenite::tungstenite::Message;

use super::{IDLE_BUFFER, IdleWire, Incoming, Wire, stamp_in};
use crate::socket::{Socket, connect, say};

const TOKEN_LIFETIME: std::time::Duration = std::time::Duration::from_secs(3600);
/// Large enough that one read takes in what a node wrote at once.
const BUSY_BUFFER: usize = 32 * 1024;

/// Users who join at the same time.
const JOINING: usize = 8;

/// See the module.
#[derive(Clone)]
pub(crate) struct SocketIo {
    /// What signs tokens; the yardstick believes a bare id.
    secret: Option<Arc<str>>,
}

impl SocketIo {
    /// For the yardstick.
    pub(crate) fn by_id() -> Self {
        Self { secret: None }
    }

    /// For a cluster with this secret.
    pub(crate) fn by_token(secret: &str) -> Self {
        Self {
            secret: Some(secret.into()),
        }
    }

    async fn open(&self, node: &str, user: &str, buffer: usize) -> Result<Socket> {
        let auth = match &self.secret {
            Some(secret) => json!({ "token": mint_token(secret, user, TOKEN_LIFETIME)? }),
            None => json!({ "userId": user }),
        };
        let url = format!("{node}/socket.io/?EIO=4&transport=websocket");
        let mut socket = connect(&url, buffer, |_| Ok(())).await?;
        until(&mut socket, "0").await?;
        say(&mut socket, Message::text(format!("40{auth}"))).await?;
        until(&mut socket, "40").await?;
        Ok(socket)
    }
}

impl IdleWire for SocketIo {
    async fn connect_idle(&self, node: &str, user: &str) -> Result<Socket> {
        self.open(node, user, IDLE_BUFFER).await
    }

    fn answer(&self, message: &Message) -> Option<Message> {
        (text(message) == "2").then(|| Message::text("3"))
    }
}

impl Wire for SocketIo {
    async fn connect(&self, node: &str, user: &str) -> Result<Socket> {
        self.open(node, user, BUSY_BUFFER).await
    }

    async fn converse(&self, sockets: &mut [Socket], _: &[String], name: &str) -> Result<String> {
        let (joining, all_joined) = (Semaphore::new(JOINING), Barrier::new(sockets.len()));
        let joins = sockets.iter_mut().map(async |socket| {
            let place = while_listening(socket, joining.acquire()).await??;
            let join = json!(["join_room", { "roomId": name }]);
            say(socket, Message::text(format!("42{join}"))).await?;
            until(socket, "42[\"joined_room\"").await?;
            drop(place);
            while_listening(socket, all_joined.wait()).await.map(drop)
        });
        try_join_all(joins).await.map(|_: Vec<()>| name.to_owned())
    }

    fn send(&self, conversation: &str, user: &str, number: u64, text: &str) -> Message {
        let key = format!("{conversation}-{user}-{number}");
        let event =
            json!(["send_message", { "roomId": conversation, "content": text, "idempotencyKey": key }]);
        Message::text(format!("42{number}{event}"))
    }

    fn read(&self, message: &Message) -> Result<Incoming> {
        let packet = text(message);
        if packet == "2" {
            return Ok(Incoming::Answer(Message::text("3")));
        }
        if packet.starts_with("42[\"new_message\"") {
            let stamp = stamp_in(packet.as_bytes()).context("a message of somebody else")?;
            return Ok(Incoming::Delivered(stamp));
        }
        if let Some(answer) = packet.strip_prefix("43") {
            let (number, payload) = answer.split_at(answer.find('[').context("no payload")?);
            let payload: Value = serde_json::from_str(payload)?;
            // Starling says it within `data`.
            let places = [&payload[0], &payload[0]["data"]];
            if places.iter().any(|place| place["sequenceNumber"].is_u64()) {
                return Ok(Incoming::Acknowledged(number.parse()?));
            }
            bail!("not stored: {payload}");
        }
        if packet.starts_with("42[\"error\"") || matches!(message, Message::Close(_)) {
            bail!("{message:?}");
        }
        Ok(Incoming::Other)
    }
}

/// Reads until a packet comes that begins so.
async fn until(socket: &mut Socket, begin: &str) -> Result<()> {
    while !text(&listen(socket).await?).starts_with(begin) {}
    Ok(())
}

/// The next message; a ping is answered, or else the node takes the user for gone.
async fn listen(socket: &mut Socket) -> Result<Message> {
    let message = socket.next().await.context("the connection ended")??;
    if text(&message) == "2" {
        say(socket, Message::text("3")).await?;
    }
    Ok(message)
}

/// Reads until something has come about: each user is told of all who join after him, and is let go if he does not
/// read it.
async fn while_listening<T>(socket: &mut Socket, waited_for: impl Future<Output = T>) -> Result<T> {
    tokio::pin!(waited_for);
    loop {
        tokio::select! {
            done = &mut waited_for => return Ok(done),
            heard = listen(socket) => drop(heard?),
        }
    }
}

fn text(message: &Message) -> &str {
    match message {
        Message::Text(text) => text.as_str(),
        _ => "",
    }
}
