//! What becomes of messages: edit, delete, react.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use starling_protocol::{ClientId, Command, DeleteMessage, EditMessage, React, Sent};
use utoipa::{IntoParams, ToSchema};

use crate::Rest;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::examples;
use crate::extract::{Body, MessageOf, Options, ReactionOf};
use crate::openapi::{AlterErrors, EditErrors};

/// What a message says from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditedMessage {
    /// 1 to 5,000 characters.
    #[schema(min_length = 1, max_length = 5000)]
    text: String,
    /// Idempotency key: however often and wherever it is sent again, one entry is stored.
    client_id: Option<ClientId>,
    /// Set when this was sent before with the same key and not answered.
    #[serde(default)]
    retry: bool,
}

/// How to send it again.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyOptions {
    /// Idempotency key: however often and wherever it is sent again, one entry is stored.
    client_id: Option<ClientId>,
    /// Set when this was sent before with the same key and not answered.
    #[serde(default)]
    retry: bool,
}

/// Changes what one of the caller's messages says.
///
/// The edit is an entry of its own. After `unknown`, or without any answer, send the same again with the same
/// `client_id` and `retry`.
#[utoipa::path(
    patch, path = "/v1/conversations/{id}/messages/{seq}", tag = "entries", operation_id = "edit_message",
    security(("token" = [])),
    params(MessageOf),
    request_body(content = EditedMessage, example = json!({"client_id": "5f0c9e0b", "text": "Hello, all!"})),
    responses(
        (status = 200, description = "It says so from this entry on.", body = Sent, example = json!(examples::change())),
        EditErrors
    )
)]
pub(crate) async fn edit(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    MessageOf { id, seq }: MessageOf,
    Body(EditedMessage {
        text,
        client_id,
        retry,
    }): Body<EditedMessage>,
) -> Result<Json<Sent>, ApiError> {
    let edit = EditMessage {
        conversation: id,
        seq,
        text,
        client_id,
        retry,
    };
    rest.store(&caller, Command::Edit(edit)).await.map(Json)
}

/// Takes a message back: one of the caller's or, for moderators and admins, anyone's.
///
/// Its text is gone from the log, from it as from every edit of it; its place stays. Where it is deleted already, the
/// answer names the conversation's present head, and no `client_id`.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/messages/{seq}", tag = "entries", operation_id = "delete_message",
    security(("token" = [])),
    params(MessageOf, KeyOptions),
    responses(
        (status = 200, description = "It is deleted from this entry on.", body = Sent, example = json!(examples::change())),
        AlterErrors
    )
)]
pub(crate) async fn delete(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    MessageOf { id, seq }: MessageOf,
    Options(KeyOptions { client_id, retry }): Options<KeyOptions>,
) -> Result<Json<Sent>, ApiError> {
    let delete = DeleteMessage {
        conversation: id,
        seq,
        client_id,
        retry,
    };
    rest.store(&caller, Command::Delete(delete)).await.map(Json)
}

/// Reacts to a message.
///
/// Where the caller reacts so already, the answer names the conversation's present head, and no `client_id`.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/messages/{seq}/reactions/{emoji}", tag = "entries",
    operation_id = "add_reaction",
    security(("token" = [])),
    params(ReactionOf, KeyOptions),
    responses(
        (status = 200, description = "The reaction is there from this entry on.", body = Sent, example = json!(examples::change())),
        AlterErrors
    )
)]
pub(crate) async fn react(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    reaction: ReactionOf,
    Options(options): Options<KeyOptions>,
) -> Result<Json<Sent>, ApiError> {
    rest.store(&caller, reaction.command(options, false))
        .await
        .map(Json)
}

/// Takes a reaction of the caller back.
///
/// Where there is none, the answer names the conversation's present head, and no `client_id`.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/messages/{seq}/reactions/{emoji}", tag = "entries",
    operation_id = "remove_reaction",
    security(("token" = [])),
    params(ReactionOf, KeyOptions),
    responses(
        (status = 200, description = "The reaction is gone from this entry on.", body = Sent, example = json!(examples::change())),
        AlterErrors
    )
)]
pub(crate) async fn unreact(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    reaction: ReactionOf,
    Options(options): Options<KeyOptions>,
) -> Result<Json<Sent>, ApiError> {
    rest.store(&caller, reaction.command(options, true))
        .await
        .map(Json)
}

impl ReactionOf {
    fn command(self, KeyOptions { client_id, retry }: KeyOptions, removed: bool) -> Command {
        Command::React(React {
            conversation: self.id,
            seq: self.seq,
            emoji: self.emoji,
            removed,
            client_id,
            retry,
        })
    }
}
