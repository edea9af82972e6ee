//! `send_message`, and its answer `message_sent`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use starling_protocol::{ClientId, Command, ConversationId, Error, MessageKind, Send, Sent, UserId};

use super::chat_rest::fresh_key;
use super::error::Done;
use super::message::{Status, id_of};
use super::payload::{check_own, invalid, read};
use super::root::become_member;
use crate::live::Live;
use crate::pending::{Asked, Pending};

/// CampZone says `content`, Chat Service `message`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendMessage {
    room_id: ConversationId,
    content: Option<String>,
    message: Option<String>,
    lamport_timestamp: Option<u64>,
    idempotency_key: Option<ClientId>,
    #[serde(default)]
    message_type: MessageKind,
    user_id: Option<UserId>,
    sender_id: Option<UserId>,
}

/// CampZone's `message_sent`, with what a client needs to put the message into its place.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageSent<'a> {
    message_id: String,
    idempotency_key: &'a ClientId,
    status: Status,
    room_id: &'a ConversationId,
    lamport_timestamp: u64,
    sequence_number: u64,
}

pub(super) async fn send(live: &Live, asked: Asked, payload: Value) -> Result<(), Error> {
    let said: SendMessage = read(payload)?;
    check_own(live, said.user_id.as_ref())?;
    check_own(live, said.sender_id.as_ref())?;
    let text = match (said.content, said.message) {
        (Some(content), _) => content,
        (None, Some(message)) => {
            // Its clients need not join before they say something (its own example does not).
            let joined = live.rooms.lock().contains(&said.room_id);
            if !joined {
                become_member(live, &said.room_id).await?;
            }
            message
        }
        (None, None) => return Err(invalid("there is neither content nor message")),
    };
    let key = match said.idempotency_key {
        Some(key) => key,
        None => fresh_key()?,
    };
    let send = Send {
        kind: said.message_type,
        lamport: said.lamport_timestamp,
        ..Send::text(said.room_id, key.clone(), text)
    };
    live.submit(Pending::Send { key, asked }, Command::Send(send))
        .await;
    Ok(())
}

/// Tells the sender where his message stands.
///
/// # Errors
/// If it cannot be read how many messages there are before it. It is stored all the same.
pub(super) async fn sent(live: &Live, asked: &Asked, key: &ClientId, sent: &Sent) -> Result<(), Error> {
    let heard = live.server().heard();
    let message = match heard.message(&sent.conversation, sent.seq) {
        Some(message) => Some(message),
        // It did not come by this client's stream: sent before, or from outside of the room.
        None => {
            let entry = live.entry(&sent.conversation, sent.seq).await?;
            heard.note(&entry)
        }
    };
    let payload = MessageSent {
        message_id: id_of(&sent.conversation, sent.seq),
        idempotency_key: key,
        status: Status::Pending,
        room_id: &sent.conversation,
        lamport_timestamp: sent.lamport,
        sequence_number: message.map_or(0, |message| message.number),
    };
    live.emit("message_sent", &payload);
    live.acknowledge(asked, &Done::with(&payload));
    Ok(())
}
