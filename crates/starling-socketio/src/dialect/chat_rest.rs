//! Chat Service's routes: history, users and messages of a room, for programs without a socket.

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use starling_core::Identity;
use starling_protocol::limits::MAX_FRAME_BYTES;
use starling_protocol::{ClientId, Command, ConversationId, Error, ErrorCode, Reply, Send, Sent, UserId};
use uuid::Uuid;

use super::history::{DEFAULT_LIMIT, newest};
use super::message::{Message, id_of};
use super::online::online;
use super::payload::{invalid, read};
use crate::SocketIo;
use crate::asker::Asker;
use crate::token::{Shown, identify, not_yours};

/// The routes under `/api/chat/`.
pub(crate) fn router(server: SocketIo) -> Router {
    Router::new()
        .route("/api/chat/{room}/history", get(history))
        .route("/api/chat/{room}/message", post(send))
        .route("/api/chat/{room}/users", get(users))
        .with_state(server)
        .layer(DefaultBodyLimit::max(MAX_FRAME_BYTES))
}

/// What went wrong, in the form of the answers that did not.
struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            success: bool,
            message: String,
            code: ErrorCode,
        }
        let Error {
            code,
            message,
            retry_after_ms,
        } = self.0;
        let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = Body {
            success: false,
            message,
            code,
        };
        let mut response = (status, Json(body)).into_response();
        if let Some(ms) = retry_after_ms {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, ms.div_ceil(1_000).into());
        }
        response
    }
}

async fn identity(server: &SocketIo, parts: &Parts) -> Result<Identity, Failure> {
    match identify(server, parts, &Value::Null).await? {
        Shown::Identity(identity) => Ok(identity),
        Shown::Nothing => Err(Error::new(ErrorCode::Unauthenticated, "Not authenticated").into()),
    }
}

fn room(path: &str) -> Result<ConversationId, Failure> {
    ConversationId::new(path).map_err(|error| invalid(error.to_string()).into())
}

#[derive(Deserialize)]
struct HistoryQuery {
    limit: Option<u64>,
}

async fn history(
    State(server): State<SocketIo>,
    Path(path): Path<String>,
    Query(query): Query<HistoryQuery>,
    parts: Parts,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Body<'a> {
        success: bool,
        messages: Vec<Message<'a>>,
    }
    let Identity { user, .. } = identity(&server, &parts).await?;
    let asker = Asker {
        server: &server,
        user: &user,
    };
    let page = newest(asker, &room(&path)?, query.limit.unwrap_or(DEFAULT_LIMIT), 0).await?;
    let body = Body {
        success: true,
        messages: page.messages(),
    };
    Ok(Json(body).into_response())
}

async fn users(
    State(server): State<SocketIo>,
    Path(path): Path<String>,
    parts: Parts,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Body {
        success: bool,
        count: usize,
        users: Vec<UserId>,
    }
    let Identity { user, .. } = identity(&server, &parts).await?;
    let asker = Asker {
        server: &server,
        user: &user,
    };
    let users = online(asker, &room(&path)?).await?;
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
    Path(path): Path<String>,
    parts: Parts,
    body: Json<Value>,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Body {
        success: bool,
        data: Stored,
    }
    let Identity { user, .. } = identity(&server, &parts).await?;
    let said: SendMessage = read(body.0)?;
    if said.user_id.is_some_and(|named| named != user) {
        return Err(not_yours().into());
    }
    let key = match said.idempotency_key {
        Some(key) => key,
        None => fresh_key()?,
    };
    let command = Command::Send(Send::text(room(&path)?, key, said.message));
    let asker = Asker {
        server: &server,
        user: &user,
    };
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

/// A key for a message that came without one.
pub(super) fn fresh_key() -> Result<ClientId, Error> {
    ClientId::new(Uuid::new_v4().simple().to_string())
        .map_err(|invalid| Error::new(ErrorCode::Internal, invalid.to_string()))
}
