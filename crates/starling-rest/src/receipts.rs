//! Receipts: who has what, and who has read it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use starling_protocol::{AskStatus, Command, EntryStatus, ListReceipts, ReceiptsPage, Reply, UserId};
use utoipa::IntoParams;

use crate::Rest;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::examples;
use crate::extract::{EntryOf, InConversation, Options};
use crate::openapi::{ReadErrors, StatusErrors};

/// Which page of the receipts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReceiptsOptions {
    /// The last user of the page before (its `next`).
    after: Option<UserId>,
    /// 1 to 200 members, 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Reads the marks of a conversation's members, by user.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/receipts", tag = "entries", operation_id = "read_receipts",
    security(("token" = [])),
    params(InConversation, ReceiptsOptions),
    responses(
        (status = 200, description = "A page.", body = ReceiptsPage, example = json!(examples::receipts())),
        ReadErrors
    )
)]
pub(crate) async fn list(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id }: InConversation,
    Options(ReceiptsOptions { after, limit }): Options<ReceiptsOptions>,
) -> Result<Json<ReceiptsPage>, ApiError> {
    let ask = ListReceipts {
        conversation: id,
        after,
        limit,
    };
    match rest.execute(&caller, Command::Receipts(ask)).await? {
        Reply::Receipts(page) => Ok(Json(page)),
        _ => Err(ApiError::unexpected_reply()),
    }
}

/// Says what became of one entry: who of the other members has it, and who has read it.
///
/// Those who became members after it do not count. Conversations of more than 1,000 members do not tell.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/entries/{seq}/receipts", tag = "entries", operation_id = "read_entry_status",
    security(("token" = [])),
    params(EntryOf),
    responses(
        (status = 200, description = "The status.", body = EntryStatus, example = json!(examples::status())),
        StatusErrors
    )
)]
pub(crate) async fn status(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    EntryOf { id, seq }: EntryOf,
) -> Result<Json<EntryStatus>, ApiError> {
    let ask = AskStatus {
        conversation: id,
        seq,
    };
    match rest.execute(&caller, Command::Status(ask)).await? {
        Reply::Status(status) => Ok(Json(status)),
        _ => Err(ApiError::unexpected_reply()),
    }
}
