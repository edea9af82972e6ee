//! Chat Service's routes: history, users and messages of a room, for programs without a socket.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use starling_protocol::{ClientId, Command, ConversationId, Error, ErrorCode, Reply, Send, Sent, UserId};

use super::history::{DEFAULT_LIMIT, newest};
use super::message::Message;
use super::online::online;
use crate::SocketIo;
use crate::dialect::payload::fresh_key;
use crate::dialect::place::id_of;
use crate::dialect::routes::{Caller, Failure, InBody, InPath, InQuery, Route, get, post};

/// The routes under `/api/chat/`.
pub(in crate::dialect) fn routes() -> Vec<Route> {
    vec![
        get("/api/chat/{roomId}/history", history),
        post("/api/chat/{roomId}/message", send),
        get("/api/chat/{roomId}/users", users),
    ]
}

#[derive(Deserialize)]
struct HistoryQuery {
    limit: Option<u64>,
}

async fn history(
    State(server): State<SocketIo>,
    caller: Caller,
    InPath(room): InPath<ConversationId>,
    InQuery(query): InQuery<HistoryQuery>,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Body<'a> {
        success: bool,
        messages: Vec<Message<'a>>,
    }
    let asker = caller.asker(&server);
    let page = newest(asker, &room, query.limit.unwrap_or(DEFAULT_LIMIT), 0).await?;
    let body = Body {
        success: true,
        messages: page.messages(),
    };
    Ok(Json(body).into_response())
}

async fn users(
    State(server): State<SocketIo>,
    caller: Caller,
    InPath(room): InPath<ConversationId>,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Body {
        success: bool,
        count: usize,
        users: Vec<UserId>,
    }
    let asker = caller.asker(&server);
    let users = online(asker, &room).await?;
    let body = Body {
        success: true,
        count: users.len(),
        users,
    };
    Ok(Json(body).into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendMessage {
    message: String,
    user_id: Option<UserId>,
    idempotency_key: Option<ClientId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    message_id: String,
    room_id: ConversationId,
    lamport_timestamp: u64,
    timestamp: i64,
}

async fn send(
    State(server): State<SocketIo>,
    caller: Caller,
    InPath(room): InPath<ConversationId>,
    InBody(said): InBody<SendMessage>,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Body {
        success: bool,
        data: Stored,
    }
    caller.check(said.user_id.as_ref())?;
    let key = match said.idempotency_key {
        Some(key) => key,
        None => fresh_key()?,
    };
    let command = Command::Send(Send::text(room, key, said.message));
    let asker = caller.asker(&server);
    let Reply::Sent(Sent {
        conversation,
        seq,
        lamport,
        at,
        ..
    }) = asker.execute(command).await?
    else {
        return Err(Error::new(ErrorCode::Internal, "no answer").into());
    };
    let data = Stored {
        message_id: id_of(&conversation, seq),
        room_id: conversation,
        lamport_timestamp: lamport,
        timestamp: at,
    };
    Ok(Json(Body { success: true, data }).into_response())
}
