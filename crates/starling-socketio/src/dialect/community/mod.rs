//! Community Chat: one channel for all, in a namespace of its own.
//!
//! Whoever authenticates becomes a member of the channel, for good. `user-joined` and `user-left` tell who of the
//! members is there: its clients never leave the channel, they come and go.

mod history;
mod message;
mod rest;
mod stats;
mod telling;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use starling_protocol::{
    ClientId, Command, ConversationId, DeleteMessage, EditMessage, Error, ErrorCode, Kind, MessagesWanted,
    Reply, Send, Seq, Typing, UserId,
};

pub(super) use rest::routes;
pub(crate) use stats::CommunityStats;
pub(super) use telling::{News, tell};

use self::history::{Page, Pages};
use self::message::{Deleted, Message, User};
use super::error::{Done, refuse, unknown_event};
use super::events::{Events, events};
use super::membership::become_member;
use super::payload::{check_own, fresh_key, invalid, read};
use super::place::place_of;
use super::stored::Stored;
use crate::decoder::Event;
use crate::live::Live;
use crate::pending::{Asked, Pending};

/// Where it is spoken.
pub(super) const NAMESPACE: &str = "/api/community/chat";
/// By which a client says who it is that has shown nothing.
pub(super) const NAMING: &str = "authenticate-user";

events! {
    /// What clients say.
    pub(super) enum Said {
        Authenticate = "authenticate-user",
        Load = "load-messages",
        Send = "send-message",
        Edit = "edit-message",
        Delete = "delete-message",
        Typing = "typing",
    }
}

events! {
    /// What they are told.
    pub(super) enum Told {
        Received = "message-received",
        Edited = "message-edited",
        Deleted = "message-deleted",
        Typing = "user-typing",
        Joined = "user-joined",
        Left = "user-left",
    }
}

fn channel(live: &Live) -> &ConversationId {
    &live.server().settings().community
}

/// Carries out an event.
pub(super) async fn carry_out(live: &Live, event: Event) {
    let Event { name, payload, ack } = event;
    let asked = Asked { event: name, ack };
    let Some(said) = Said::named(&asked.event) else {
        return unknown_event(live, &asked);
    };
    if said != Said::Authenticate && !live.rooms.lock().contains(channel(live)) {
        let error = Error::new(ErrorCode::Unauthenticated, "Not authenticated");
        return refuse(live, &asked, &error);
    }
    let done = match said {
        Said::Authenticate => authenticate(live, &asked, payload).await,
        Said::Load => load(live, &asked, payload).await,
        Said::Send => send(live, asked.clone(), payload).await,
        Said::Edit => edit(live, asked.clone(), payload).await,
        Said::Delete => delete(live, asked.clone(), payload).await,
        Said::Typing => typing(live, asked.clone(), payload).await,
    };
    if let Err(error) = done {
        refuse(live, &asked, &error);
    }
}

/// The core has answered what could not be waited for.
pub(super) async fn answer(live: &Live, pending: Pending, result: &Result<Reply, Error>) {
    let (asked, done) = match (pending, result) {
        (Pending::Message { asked, text }, Ok(Reply::Sent(sent))) => {
            let done = sent_message(live, &asked, sent.seq, &text).await;
            (asked, done)
        }
        (Pending::Alteration { asked, target, text }, Ok(Reply::Sent(sent))) => {
            let done = altered(live, &asked, target, text.as_deref(), sent.at).await;
            (asked, done)
        }
        (Pending::Signal(asked), Ok(_)) => {
            live.acknowledge(&asked, &Done::plain());
            (asked, Ok(()))
        }
        (
            Pending::Message { asked, .. } | Pending::Alteration { asked, .. } | Pending::Signal(asked),
            Err(error),
        ) => (asked, Err(error.clone())),
        _ => return,
    };
    if let Err(error) = done {
        refuse(live, &asked, &error);
    }
}

/// What the user is called here.
async fn own_name(live: &Live) -> String {
    let called = live.asker().names(&[live.user()]).await;
    called.into_iter().next().unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authenticate {
    user_id: Option<UserId>,
}

/// `authenticate-user`: makes the user a member of the channel, which is made where there is none, and tells the client
/// from there on what is said.
async fn authenticate(live: &Live, asked: &Asked, payload: Value) -> Result<(), Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Authenticated<'a> {
        user_id: &'a UserId,
        #[serde(rename = "User")]
        user: User,
    }
    // Its client may well give nothing: the token says it.
    if !payload.is_null() {
        let said: Authenticate = read(payload)?;
        check_own(live, said.user_id.as_ref())?;
    }
    let channel = channel(live);
    live.watcher.get_or_init(|| live.server().heard().watch());
    let joined = live.rooms.lock().contains(channel);
    if !joined {
        become_member(live.asker(), channel, Some(Kind::Channel)).await?;
        let head = live.engine().summary(live.user(), channel).await?.head;
        live.rooms.lock().join(channel.clone(), head);
    }
    let authenticated = Authenticated {
        user_id: live.user(),
        user: User::new(live.user(), &own_name(live).await),
    };
    live.acknowledge(asked, &Done::with(&authenticated));
    live.follow().await;
    Ok(())
}

/// `load-messages`, answered by its acknowledgement.
async fn load(live: &Live, asked: &Asked, payload: Value) -> Result<(), Error> {
    let pages: Pages = if payload.is_null() {
        Pages::default()
    } else {
        read(payload)?
    };
    let wanted: MessagesWanted = pages.wanted(None)?;
    let found = live
        .engine()
        .messages(live.user(), channel(live), &wanted)
        .await?;
    live.acknowledge(asked, &Page::of(live.asker(), &pages, &wanted, &found).await);
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendMessage {
    message: String,
    idempotency_key: Option<ClientId>,
    user_id: Option<UserId>,
}

/// `send-message`.
async fn send(live: &Live, asked: Asked, payload: Value) -> Result<(), Error> {
    let said: SendMessage = read(payload)?;
    check_own(live, said.user_id.as_ref())?;
    let key = match said.idempotency_key {
        Some(key) => key,
        None => fresh_key()?,
    };
    let send = Send::text(channel(live).clone(), key, said.message.clone());
    let pending = Pending::Message {
        asked,
        text: said.message,
    };
    live.submit(pending, Command::Send(send)).await;
    Ok(())
}

async fn sent_message(live: &Live, asked: &Asked, seq: Seq, text: &str) -> Result<(), Error> {
    if asked.ack.is_none() {
        return Ok(());
    }
    let heard = live.heard(channel(live), seq).await?;
    if let Some(stored) = Stored::at(channel(live), seq, &heard, text) {
        let message = Message::new(&stored, &own_name(live).await);
        live.acknowledge(asked, &Done::with(&message));
    }
    Ok(())
}

/// The place in the channel that an id names.
fn in_channel(live: &Live, id: &str) -> Result<Seq, Error> {
    match place_of(id)? {
        (conversation, seq) if conversation == *channel(live) => Ok(seq),
        _ => Err(invalid("the message is not of this channel")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Edit {
    message_id: String,
    message: String,
}

/// `edit-message`: one's own.
async fn edit(live: &Live, asked: Asked, payload: Value) -> Result<(), Error> {
    let said: Edit = read(payload)?;
    let target = in_channel(live, &said.message_id)?;
    let edit = EditMessage {
        conversation: channel(live).clone(),
        seq: target,
        text: said.message.clone(),
        client_id: None,
        retry: false,
    };
    let pending = Pending::Alteration {
        asked,
        target,
        text: Some(said.message),
    };
    live.submit(pending, Command::Edit(edit)).await;
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delete {
    message_id: String,
}

/// `delete-message`: one's own, or as a moderator anyone's.
async fn delete(live: &Live, asked: Asked, payload: Value) -> Result<(), Error> {
    let said: Delete = read(payload)?;
    let target = in_channel(live, &said.message_id)?;
    let delete = DeleteMessage {
        conversation: channel(live).clone(),
        seq: target,
        client_id: None,
        retry: false,
    };
    let pending = Pending::Alteration {
        asked,
        target,
        text: None,
    };
    live.submit(pending, Command::Delete(delete)).await;
    Ok(())
}

/// Tells whoever has changed a message what it is now.
async fn altered(live: &Live, asked: &Asked, target: Seq, text: Option<&str>, at: i64) -> Result<(), Error> {
    if asked.ack.is_none() {
        return Ok(());
    }
    let heard = live.heard(channel(live), target).await?;
    let Some(stored) = Stored::at(channel(live), target, &heard, text.unwrap_or_default()) else {
        return Ok(());
    };
    let called = live.asker().names(&[stored.sender]).await;
    let name = called.first().map_or("", String::as_str);
    match text {
        Some(_) => {
            let edited = Stored {
                edited_at: Some(at),
                ..stored
            };
            live.acknowledge(asked, &Done::with(&Message::new(&edited, name)));
        }
        None => {
            let deleted = Stored {
                deleted_at: Some(at),
                ..stored
            };
            live.acknowledge(asked, &Done::with(&Deleted::new(&deleted, name)));
        }
    }
    Ok(())
}

/// What `typing` says: whether, or nothing, which is yes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Types {
    Plain(bool),
    Said {
        #[serde(rename = "isTyping")]
        is_typing: bool,
    },
}

/// `typing`.
async fn typing(live: &Live, asked: Asked, payload: Value) -> Result<(), Error> {
    let typing = match payload {
        Value::Null => true,
        payload => match read(payload).map_err(|_| invalid("typing takes { isTyping: true or false }"))? {
            Types::Plain(typing) | Types::Said { is_typing: typing } => typing,
        },
    };
    let command = Command::Typing(Typing {
        conversation: channel(live).clone(),
        typing,
    });
    live.submit(Pending::Signal(asked), command).await;
    Ok(())
}
