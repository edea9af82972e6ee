//! Presence: what the caller says about himself, and who of others is there.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use starling_protocol::{AskPresences, Command, Presences, Reply, SetPresence};
use utoipa::ToSchema;

use crate::Rest;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::examples;
use crate::extract::Body;
use crate::openapi::{AskErrors, LimitedErrors};

/// What the caller says about himself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PresenceText {
    /// 1 to 140 characters; empty takes it away.
    #[schema(max_length = 140)]
    text: String,
}

/// Says something about the caller that others see beside his name.
///
/// Whether he is there follows from his WebSocket connections.
#[utoipa::path(
    put, path = "/v1/presence", tag = "presence", operation_id = "set_presence",
    security(("token" = [])),
    request_body(content = PresenceText, example = json!({"text": "Back on Monday"})),
    responses((status = 204, description = "It is kept, and others are told."), LimitedErrors)
)]
pub(crate) async fn set(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    Body(PresenceText { text }): Body<PresenceText>,
) -> Result<StatusCode, ApiError> {
    let set = SetPresence {
        state: None,
        text: Some(text),
    };
    rest.execute(&caller, Command::Presence(set)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks who is there.
///
/// Answers only for the caller and those who share a conversation with him; others are left out.
#[utoipa::path(
    post, path = "/v1/presences", tag = "presence", operation_id = "ask_presences",
    security(("token" = [])),
    request_body(content = AskPresences, example = json!({"users": ["bob", "carol"]})),
    responses(
        (status = 200, description = "Their presences.", body = Presences, example = json!(examples::presences())),
        AskErrors
    )
)]
pub(crate) async fn ask(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    Body(ask): Body<AskPresences>,
) -> Result<Json<Presences>, ApiError> {
    match rest.execute(&caller, Command::Presences(ask)).await? {
        Reply::Presences(presences) => Ok(Json(presences)),
        _ => Err(ApiError::unexpected_reply()),
    }
}
