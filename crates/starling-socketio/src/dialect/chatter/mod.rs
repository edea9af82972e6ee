//! Chatter: people who sign in by phone, their contacts and conversations, by HTTP; and, in a namespace of its own, what
//! happens in all of their conversations, live.
//!
//! Its document names no events; these are ours, in the words that it has for what they are about.

mod conversations;
mod message;
mod messages;
mod people;
mod person;
mod sync;
mod telling;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use starling_protocol::{Command, Error, Reply, Sent, UserId};

pub(super) use telling::tell;

use self::message::Message;
use self::messages::NewMessage;
use super::error::{Done, refuse, unknown_event};
use super::events::{Events, events};
use super::payload::{check_own, read};
use super::routes::Route;
use super::stored::Stored;
use crate::SocketIo;
use crate::decoder::Event;
use crate::live::Live;
use crate::pending::{Asked, Pending};

/// Where it is spoken.
pub(super) const NAMESPACE: &str = "/chatter";
/// By which a client says who it is that has shown nothing.
pub(super) const NAMING: &str = "authenticate";

events! {
    /// What clients say.
    pub(super) enum Said {
        Authenticate = "authenticate",
        SendMessage = "send_message",
        Sync = "sync",
    }
}

events! {
    /// What they are told.
    pub(super) enum Told {
        Connected = "connected",
        NewMessage = "new_message",
        MessageUpdated = "message_updated",
        ConversationUpdated = "conversation_updated",
    }
}

/// The routes under `/api/` that are Chatter's.
pub(super) fn routes() -> Vec<Route> {
    let routes = [people::routes(), conversations::routes(), messages::routes()];
    routes.into_iter().flatten().collect()
}

/// In minutes, as `SYNC_INTERVAL_MINUTES` has it; 1 at least.
fn sync_interval_minutes(server: &SocketIo) -> u64 {
    server.settings().sync_interval.as_secs().div_ceil(60).max(1)
}

/// `connected`, the first event of every connection.
pub(super) fn greet(live: &Live) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Connected<'a> {
        socket_id: &'a str,
        user_id: &'a UserId,
        server_id: &'a str,
        sync_interval_minutes: u64,
    }
    let connected = Connected {
        socket_id: live.session().connection().as_str(),
        user_id: live.user(),
        server_id: live.engine().node_id(),
        sync_interval_minutes: sync_interval_minutes(live.server()),
    };
    live.emit(Told::Connected.name(), &connected);
}

/// Carries out an event.
pub(super) async fn carry_out(live: &Live, event: Event) {
    let Event { name, payload, ack } = event;
    let asked = Asked { event: name, ack };
    let done = match Said::named(&asked.event) {
        Some(Said::Authenticate) => authenticate(live, &asked, payload),
        Some(Said::SendMessage) => send(live, asked.clone(), payload).await,
        Some(Said::Sync) => synchronize(live, &asked, payload).await,
        None => return unknown_event(live, &asked),
    };
    if let Err(error) = done {
        refuse(live, &asked, &error);
    }
}

/// The core has answered what could not be waited for.
pub(super) async fn answer(live: &Live, pending: Pending, result: &Result<Reply, Error>) {
    let Pending::Message { asked, text } = pending else {
        return;
    };
    let done = match result {
        Ok(Reply::Sent(sent)) => sent_message(live, &asked, sent, &text).await,
        Ok(_) => return,
        Err(error) => Err(error.clone()),
    };
    if let Err(error) = done {
        refuse(live, &asked, &error);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authenticate {
    user_id: UserId,
}

/// `authenticate`: in development mode, of a client that has shown nothing. The token says it otherwise.
fn authenticate(live: &Live, asked: &Asked, payload: Value) -> Result<(), Error> {
    let said: Authenticate = read(payload)?;
    check_own(live, Some(&said.user_id))?;
    live.acknowledge(asked, &Done::plain());
    Ok(())
}

/// `send_message`.
async fn send(live: &Live, asked: Asked, payload: Value) -> Result<(), Error> {
    let said: NewMessage = read(payload)?;
    check_own(live, said.sender_id.as_ref())?;
    let send = said.into_send(live.asker()).await?;
    let text = send.text.clone();
    live.submit(Pending::Message { asked, text }, Command::Send(send))
        .await;
    Ok(())
}

async fn sent_message(live: &Live, asked: &Asked, sent: &Sent, text: &str) -> Result<(), Error> {
    if asked.ack.is_none() {
        return Ok(());
    }
    let heard = live.heard(&sent.conversation, sent.seq).await?;
    if let Some(stored) = Stored::at(&sent.conversation, sent.seq, &heard, text) {
        let stored = Stored {
            client_id: sent.client_id.as_ref(),
            ..stored
        };
        let called = live.asker().names(&[live.user()]).await;
        let name = called.first().map_or("", String::as_str);
        live.acknowledge(asked, &Done::with(&Message::new(&stored, name)));
    }
    Ok(())
}

/// `sync`: as `POST /api/sync`.
async fn synchronize(live: &Live, asked: &Asked, payload: Value) -> Result<(), Error> {
    let said: sync::Sync = read(payload)?;
    check_own(live, said.user_id.as_ref())?;
    let synced = said.carry_out(live.asker()).await?;
    live.acknowledge(asked, &Done::with(&synced));
    Ok(())
}
