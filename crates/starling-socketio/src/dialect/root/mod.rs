//! `/`: CampZone and Chat Service, whose payloads are served as one superset, so that the clients of either read it.
//! What only one of them has is in [`campzone`] and [`chat_service`].

mod campzone;
mod chat_service;
mod history;
mod message;
mod online;
mod rest;
mod sending;
mod telling;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use starling_protocol::{Command, ConversationId, Error, Kind, Leave, Reply, UserId};

pub(super) use campzone::greet;
pub(super) use rest::routes;
pub(super) use telling::{News, tell};

use self::history::{DEFAULT_LIMIT, newest};
use self::online::online;
use super::error::{Done, complain, complain_of, unknown_event};
use super::events::{Events, events};
use super::membership::become_member;
use super::payload::{check_own, read};
use crate::Rooms;
use crate::decoder::Event;
use crate::live::Live;
use crate::pending::{Asked, Pending};

/// Where it is spoken.
pub(super) const NAMESPACE: &str = "/";
/// By which a client says who it is that has shown nothing.
pub(super) const NAMING: &str = "authenticate";

events! {
    /// What clients say.
    pub(super) enum Said {
        JoinRoom = "join_room",
        LeaveRoom = "leave_room",
        SendMessage = "send_message",
        TypingStart = "typing_start",
        TypingStop = "typing_stop",
        Typing = "typing",
        MarkRead = "mark_read",
        GetMessages = "get_messages",
        GetOnlineUsers = "get_online_users",
        Authenticate = "authenticate",
    }
}

events! {
    /// What they are told. (`error` is every dialect's.)
    pub(super) enum Told {
        Connected = "connected",
        JoinedRoom = "joined_room",
        MessageHistory = "message_history",
        RoomUsers = "room_users",
        NewMessage = "new_message",
        Message = "message",
        MessageSent = "message_sent",
        UserTyping = "user_typing",
        ReadReceipt = "read_receipt",
        OnlineUsers = "online_users",
        UserJoined = "user_joined",
        UserLeft = "user_left",
        Messages = "messages",
    }
}

/// Carries out an event.
pub(super) async fn carry_out(live: &Live, event: Event) {
    let Event { name, payload, ack } = event;
    let asked = Asked { event: name, ack };
    let done = match Said::named(&asked.event) {
        Some(Said::JoinRoom) => join(live, &asked, payload).await,
        Some(Said::LeaveRoom) => leave(live, &asked, payload).await,
        Some(Said::SendMessage) => sending::send(live, asked.clone(), payload).await,
        Some(Said::TypingStart) => campzone::typing(live, asked.clone(), payload, true).await,
        Some(Said::TypingStop) => campzone::typing(live, asked.clone(), payload, false).await,
        Some(Said::Typing) => chat_service::typing(live, asked.clone(), payload).await,
        Some(Said::MarkRead) => campzone::mark_read(live, asked.clone(), payload).await,
        Some(Said::GetMessages) => campzone::get_messages(live, &asked, payload).await,
        Some(Said::GetOnlineUsers) => campzone::get_online_users(live, &asked, payload).await,
        Some(Said::Authenticate) => chat_service::authenticate(live, &asked, payload).await,
        None => return unknown_event(live, &asked),
    };
    if let Err(error) = done {
        complain(live, &asked, &error);
    }
}

/// The core has answered what could not be waited for.
pub(super) async fn answer(live: &Live, pending: Pending, result: &Result<Reply, Error>) {
    match (pending, result) {
        (Pending::Send { key, asked }, Ok(Reply::Sent(sent))) => {
            if let Err(error) = sending::sent(live, &asked, &key, sent).await {
                complain_of(live, &asked, &error, Some(&key));
            }
        }
        (Pending::Send { key, asked }, Err(error)) => complain_of(live, &asked, error, Some(&key)),
        (Pending::Signal(asked), Ok(_)) => live.acknowledge(&asked, &Done::plain()),
        (Pending::Signal(asked), Err(error)) => complain(live, &asked, error),
        _ => {}
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InRoom {
    room_id: ConversationId,
    user_id: Option<UserId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JoinedRoom<'a> {
    room_id: &'a ConversationId,
    message: &'static str,
}

/// `join_room`: makes the user a member, tells the client what was said, and from there on what is said.
async fn join(live: &Live, asked: &Asked, payload: Value) -> Result<(), Error> {
    let InRoom {
        room_id: room,
        user_id,
    } = read(payload)?;
    check_own(live, user_id.as_ref())?;
    become_member(live.asker(), &room, made_on_join(live)).await?;
    let page = newest(live.asker(), &room, DEFAULT_LIMIT, 0).await?;
    let users = online(live.asker(), &room).await?;
    {
        let mut rooms = live.rooms.lock();
        if !rooms.contains(&room) {
            rooms.join(room.clone(), page.head);
        }
    }
    let joined = JoinedRoom {
        room_id: &room,
        message: "Successfully joined room",
    };
    live.emit(Told::JoinedRoom.name(), &joined);
    live.emit(Told::MessageHistory.name(), &page.messages());
    live.emit(Told::RoomUsers.name(), &users);
    live.acknowledge(asked, &Done::with(&joined));
    live.follow().await;
    Ok(())
}

/// Of which kind a room is that is made by joining it, if that is allowed.
fn made_on_join(live: &Live) -> Option<Kind> {
    match live.server().settings().rooms {
        Rooms::MadeOnJoin => Some(Kind::Group),
        Rooms::MustExist => None,
    }
}

/// `leave_room`: ends the membership. Where that cannot be (two people's conversation), the client is told so, and is
/// told of nothing more in it all the same.
async fn leave(live: &Live, asked: &Asked, payload: Value) -> Result<(), Error> {
    let InRoom { room_id, user_id } = read(payload)?;
    check_own(live, user_id.as_ref())?;
    live.rooms.lock().leave(&room_id);
    let leave = Leave {
        conversation: room_id,
    };
    live.asker().execute(Command::Leave(leave)).await?;
    live.acknowledge(asked, &Done::plain());
    Ok(())
}
