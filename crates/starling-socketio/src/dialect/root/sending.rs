//! `send_message`, and its answer `message_sent`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use starling_protocol::{ClientId, Command, ConversationId, Error, MessageKind, Send, Sent, UserId};

use super::message::Status;
use super::{Told, made_on_join};
use crate::dialect::error::Done;
use crate::dialect::events::Events;
use crate::dialect::membership::become_member;
use crate::dialect::payload::{check_own, fresh_key, invalid, read};
use crate::dialect::place::id_of;
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
                become_member(live.asker(), &said.room_id, made_on_join(live)).await?;
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
    // It is read where it did not come by this client's stream: sent before, or from outside of the room.
    let message = live.heard(&sent.conversation, sent.seq).await?;
    let payload = MessageSent {
        message_id: id_of(&sent.conversation, sent.seq),
        idempotency_key: key,
        status: Status::Pending,
        room_id: &sent.conversation,
        lamport_timestamp: sent.lamport,
        sequence_number: message.number,
    };
    live.emit(Told::MessageSent.name(), &payload);
    live.acknowledge(asked, &Done::with(&payload));
    Ok(())
}
