//! The log: say something, read what was said.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use starling_protocol::{
    ClientId, Command, History, HistoryPage, MessageKind, MessagesPage, MessagesWanted, Reply, Send, Sent,
    Seq, UserId,
};
use utoipa::{IntoParams, ToSchema};

use crate::Rest;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::examples;
use crate::extract::{Body, InConversation, Options};
use crate::openapi::{HistoryErrors, ReadErrors, SendErrors};

/// A message to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMessage {
    /// Idempotency key: however often and wherever it is sent again, one entry is stored.
    client_id: ClientId,
    /// 1 to 5,000 characters.
    #[schema(min_length = 1, max_length = 5000)]
    text: String,
    /// What kind of message it is; `system` is for moderators and admins.
    #[serde(default)]
    kind: MessageKind,
    /// The message that it replies to.
    #[schema(value_type = Option<u64>)]
    reply_to: Option<Seq>,
    /// The sender's Lamport stamp, at most 2^20 ahead of the conversation's clock.
    lamport: Option<u64>,
    /// Set when this was sent before and not answered: the node looks for the first one before it appends.
    #[serde(default)]
    retry: bool,
    /// If given, must be the caller.
    sender: Option<UserId>,
}

/// Which page of the log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryOptions {
    /// Only entries with a lower seq, the nearest ones.
    #[param(value_type = Option<u64>)]
    before: Option<Seq>,
    /// Only entries with a higher seq, the nearest ones.
    #[param(value_type = Option<u64>)]
    after: Option<Seq>,
    /// This entry, half of the page before it and half after it.
    #[param(value_type = Option<u64>, minimum = 1)]
    around: Option<Seq>,
    /// Whether only messages are wanted.
    #[serde(default)]
    #[param(required = false)]
    messages: bool,
    /// 1 to 200 entries, 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Says something in a conversation.
///
/// After `unknown`, or without any answer, send the same again with the same `client_id` and `retry`.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/messages", tag = "entries", operation_id = "send_message",
    security(("token" = [])),
    params(InConversation),
    request_body(content = NewMessage, example = json!({"client_id": "5f0c9e0a", "text": "Hello!"})),
    responses(
        (status = 201, description = "It is stored for ever at this place.", body = Sent, example = json!(examples::sent())),
        SendErrors
    )
)]
pub(crate) async fn send(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id }: InConversation,
    Body(message): Body<NewMessage>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    let NewMessage {
        client_id,
        text,
        kind,
        reply_to,
        lamport,
        retry,
        sender,
    } = message;
    let send = Send {
        conversation: id,
        client_id,
        text,
        kind,
        reply_to,
        lamport,
        retry,
        sender,
    };
    let sent = rest.store(&caller, Command::Send(send)).await?;
    Ok((StatusCode::CREATED, Json(sent)))
}

/// Reads a page of a conversation's log, oldest first.
///
/// With `after` the entries that follow it, with `before` the ones that precede it, with `around` it and those on both
/// sides of it, with none of them the newest.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/entries", tag = "entries", operation_id = "read_entries",
    security(("token" = [])),
    params(InConversation, HistoryOptions),
    responses(
        (status = 200, description = "A page.", body = HistoryPage, example = json!(examples::history())),
        HistoryErrors
    )
)]
pub(crate) async fn history(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id }: InConversation,
    Options(options): Options<HistoryOptions>,
) -> Result<Json<HistoryPage>, ApiError> {
    let history = History {
        conversation: id,
        before: options.before,
        after: options.after,
        around: options.around,
        messages: options.messages,
        limit: options.limit,
    };
    match rest.execute(&caller, Command::History(history)).await? {
        Reply::History(page) => Ok(Json(page)),
        _ => Err(ApiError::unexpected_reply()),
    }
}

/// Reads a page of a conversation's messages, counted from the newest, oldest first in the page.
///
/// For clients that count pages. Give the later pages the `as_of` of the first one, and what is sent meanwhile does not
/// shift them.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/messages", tag = "entries", operation_id = "read_messages",
    security(("token" = [])),
    params(InConversation, MessagesWanted),
    responses(
        (status = 200, description = "A page.", body = MessagesPage, example = json!(examples::messages())),
        ReadErrors
    )
)]
pub(crate) async fn messages(
    State(rest): State<Arc<Rest>>,
    Caller(user): Caller,
    InConversation { id }: InConversation,
    Options(wanted): Options<MessagesWanted>,
) -> Result<Json<MessagesPage>, ApiError> {
    Ok(Json(rest.engine.messages(&user, &id, &wanted).await?))
}
