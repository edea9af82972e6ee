//! Messages of a conversation by HTTP: reading, sending, and comparing with what a client holds.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use starling_protocol::limits::{DEFAULT_MESSAGES_LIMIT, MAX_MESSAGES_LIMIT};
use starling_protocol::{
    ClientId, Command, ConversationId, Create, Error, ErrorCode, Kind, MessagesWanted, Reply, Send, Sent,
    UserId,
};

use super::message::Message;
use super::sync::{Sync, Synced};
use crate::SocketIo;
use crate::asker::Asker;
use crate::dialect::error::Done;
use crate::dialect::heard::HeardMessage;
use crate::dialect::payload::{fresh_key, invalid};
use crate::dialect::routes::{Caller, Failure, InBody, InPath, InQuery, Route, get, post};
use crate::dialect::stored::{Stored, worded};

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/api/message/{conversationId}", list),
        post("/api/message", send),
        post("/api/sync", sync),
    ]
}

#[derive(Deserialize)]
struct Before {
    limit: Option<u64>,
    /// A sequence number: the messages before it.
    before: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    success: bool,
    messages: Vec<Message>,
    has_more: bool,
}

async fn list(
    State(server): State<SocketIo>,
    caller: Caller,
    InPath(conversation): InPath<ConversationId>,
    InQuery(query): InQuery<Before>,
) -> Result<Json<Listed>, Failure> {
    let limit = query.limit.unwrap_or(DEFAULT_MESSAGES_LIMIT.into());
    let limit = limit.clamp(1, MAX_MESSAGES_LIMIT.into());
    let wanted = MessagesWanted {
        limit: u32::try_from(limit).ok(),
        as_of: query.before.map(|before| before.saturating_sub(1)),
        ..MessagesWanted::default()
    };
    let engine = server.engine();
    let found = engine.messages(caller.user(), &conversation, &wanted).await?;
    Ok(Json(Listed {
        success: true,
        messages: worded(&server, &found.messages, Message::new).await,
        has_more: found.more,
    }))
}

/// What a client sends, live or by HTTP.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewMessage {
    /// `new` or nothing where the conversation is yet to be opened with `receiver_id`.
    pub(super) conversation_id: Option<ConversationId>,
    pub(super) receiver_id: Option<UserId>,
    pub(super) sender_id: Option<UserId>,
    pub(super) message: String,
    pub(super) client_id: Option<ClientId>,
}

impl NewMessage {
    /// As a command. Opens the two people's conversation where it names a person.
    ///
    /// # Errors
    /// `invalid` where it names neither; what opening a conversation is refused with.
    pub(super) async fn into_send(self, asker: Asker<'_>) -> Result<Send, Error> {
        let named = self.conversation_id.filter(|id| id.as_str() != "new");
        let conversation = match (named, self.receiver_id) {
            (Some(conversation), _) => conversation,
            (None, Some(receiver)) => open(asker, receiver).await?,
            (None, None) => return Err(invalid("give conversationId or receiverId")),
        };
        let key = match self.client_id {
            Some(key) => key,
            None => fresh_key()?,
        };
        Ok(Send::text(conversation, key, self.message))
    }
}

/// The conversation of two people, whoever has opened it.
async fn open(asker: Asker<'_>, receiver: UserId) -> Result<ConversationId, Error> {
    let create = Create::of(Kind::Direct, vec![receiver]);
    match asker.execute(Command::Create(create)).await? {
        Reply::Conversation(summary) => Ok(summary.id),
        _ => Err(Error::new(ErrorCode::Internal, "no conversation")),
    }
}

/// Sends a message, and says what has become of it.
///
/// # Errors
/// What `send` is refused with.
pub(super) async fn send_now(asker: Asker<'_>, new: NewMessage) -> Result<Message, Error> {
    let send = new.into_send(asker).await?;
    let text = send.text.clone();
    let Reply::Sent(Sent {
        conversation,
        seq,
        client_id,
        ..
    }) = asker.execute(Command::Send(send)).await?
    else {
        return Err(Error::new(ErrorCode::Internal, "no answer"));
    };
    let heard: HeardMessage = asker.heard(&conversation, seq).await?;
    let stored = Stored::at(&conversation, seq, &heard, &text)
        .ok_or_else(|| Error::new(ErrorCode::Internal, "a message of nobody"))?;
    let stored = Stored {
        client_id: client_id.as_ref(),
        ..stored
    };
    let called = asker.names(&[stored.sender]).await;
    Ok(Message::new(&stored, called.first().map_or("", String::as_str)))
}

async fn send(
    State(server): State<SocketIo>,
    caller: Caller,
    InBody(said): InBody<NewMessage>,
) -> Result<Json<Done<Message>>, Failure> {
    caller.check(said.sender_id.as_ref())?;
    let message = send_now(caller.asker(&server), said).await?;
    Ok(Json(Done::with(message)))
}

async fn sync(
    State(server): State<SocketIo>,
    caller: Caller,
    InBody(said): InBody<Sync>,
) -> Result<Json<Done<Synced>>, Failure> {
    caller.check(said.user_id.as_ref())?;
    let synced = said.carry_out(caller.asker(&server)).await?;
    Ok(Json(Done::with(synced)))
}
