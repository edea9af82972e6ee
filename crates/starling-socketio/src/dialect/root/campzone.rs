//! CampZone: what only its clients know.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use starling_protocol::{Command, ConversationId, Error, Read, Typing, UserId};

use super::Told;
use super::history::{DEFAULT_LIMIT, Messages, newest};
use super::online::online;
use crate::dialect::error::Done;
use crate::dialect::events::Events;
use crate::dialect::payload::{check_own, invalid, read};
use crate::dialect::place::place_of;
use crate::live::Live;
use crate::pending::{Asked, Pending};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connected<'a> {
    socket_id: &'a str,
    user_id: &'a UserId,
    message: &'static str,
}

/// `connected`, the first event of every connection.
pub(in crate::dialect) fn greet(live: &Live) {
    let connected = Connected {
        socket_id: live.session().connection().as_str(),
        user_id: live.user(),
        message: "Connected to chat server",
    };
    live.emit(Told::Connected.name(), &connected);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InRoom {
    room_id: ConversationId,
    user_id: Option<UserId>,
}

/// `typing_start` and `typing_stop`.
pub(super) async fn typing(live: &Live, asked: Asked, payload: Value, typing: bool) -> Result<(), Error> {
    let said: InRoom = read(payload)?;
    check_own(live, said.user_id.as_ref())?;
    let command = Command::Typing(Typing {
        conversation: said.room_id,
        typing,
    });
    live.submit(Pending::Signal(asked), command).await;
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MarkRead {
    message_id: String,
    room_id: Option<ConversationId>,
    user_id: Option<UserId>,
}

/// `mark_read`: up to this message. The core tells all members, the reader too, once it is stored.
pub(super) async fn mark_read(live: &Live, asked: Asked, payload: Value) -> Result<(), Error> {
    let said: MarkRead = read(payload)?;
    check_own(live, said.user_id.as_ref())?;
    let (conversation, seq) = place_of(&said.message_id)?;
    if said.room_id.is_some_and(|room| room != conversation) {
        return Err(invalid("the message is not of this room"));
    }
    let command = Command::Read(Read { conversation, seq });
    live.submit(Pending::Signal(asked), command).await;
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetMessages {
    room_id: ConversationId,
    limit: Option<u64>,
    skip: Option<u64>,
}

/// `get_messages`, answered with `messages`.
pub(super) async fn get_messages(live: &Live, asked: &Asked, payload: Value) -> Result<(), Error> {
    let said: GetMessages = read(payload)?;
    let limit = said.limit.unwrap_or(DEFAULT_LIMIT);
    let page = newest(live.asker(), &said.room_id, limit, said.skip.unwrap_or(0)).await?;
    let messages = page.messages();
    let payload = Messages {
        room_id: &said.room_id,
        count: messages.len(),
        messages,
    };
    live.emit(Told::Messages.name(), &payload);
    live.acknowledge(asked, &Done::with(&payload));
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OnlineUsers<'a> {
    room_id: &'a ConversationId,
    count: usize,
    online_users: Vec<UserId>,
}

/// `get_online_users`, answered with `online_users`.
pub(super) async fn get_online_users(live: &Live, asked: &Asked, payload: Value) -> Result<(), Error> {
    let said: InRoom = read(payload)?;
    let online_users = online(live.asker(), &said.room_id).await?;
    let payload = OnlineUsers {
        room_id: &said.room_id,
        count: online_users.len(),
        online_users,
    };
    live.emit(Told::OnlineUsers.name(), &payload);
    live.acknowledge(asked, &Done::with(&payload));
    Ok(())
}
