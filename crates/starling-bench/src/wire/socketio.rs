//! Socket.IO over a WebSocket, as the yardstick speaks it: Engine.IO 4, JSON, the default namespace.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{Incoming, Wire, stamp_in};
use crate::socket::{Socket, connect_busy, say, until};

/// See the module.
#[derive(Clone)]
pub(crate) struct SocketIo;

impl Wire for SocketIo {
    async fn connect(&self, node: &str, user: &str) -> Result<Socket> {
        let url = format!("{node}/socket.io/?EIO=4&transport=websocket");
        let mut socket = connect_busy(&url, |_| Ok(())).await?;
        until(&mut socket, |message| {
            Ok(text(message).starts_with('0').then_some(()))
        })
        .await?;
        say(
            &mut socket,
            Message::text(format!("40{}", json!({ "userId": user }))),
        )
        .await?;
        until(&mut socket, |message| {
            Ok(text(message).starts_with("40").then_some(()))
        })
        .await?;
        Ok(socket)
    }

    async fn converse(&self, sockets: &mut [Socket], _: &[String], name: &str) -> Result<String> {
        for socket in sockets {
            let join = json!(["join_room", { "roomId": name }]);
            say(socket, Message::text(format!("42{join}"))).await?;
            until(socket, |message| {
                Ok(text(message).starts_with("42[\"joined_room\"").then_some(()))
            })
            .await?;
        }
        Ok(name.to_owned())
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
            if payload[0]["sequenceNumber"].is_u64() {
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

fn text(message: &Message) -> &str {
    match message {
        Message::Text(text) => text.as_str(),
        _ => "",
    }
}
