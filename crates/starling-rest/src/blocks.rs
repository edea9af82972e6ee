//! Blocks: one way, and nobody is told.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use starling_protocol::BlockedUsers;

use crate::Rest;
use crate::caller::Caller;
use crate::contacts::PeoplePage;
use crate::error::ApiError;
use crate::examples;
use crate::extract::{OfUser, Options};
use crate::openapi::{BlockErrors, PageErrors};

/// Lists those whom the caller blocks.
#[utoipa::path(
    get, path = "/v1/blocks", tag = "people", operation_id = "list_blocks",
    security(("token" = [])),
    params(PeoplePage),
    responses(
        (status = 200, description = "A page.", body = BlockedUsers, example = json!(examples::blocked())),
        PageErrors
    )
)]
pub(crate) async fn list(
    State(rest): State<Arc<Rest>>,
    Caller(user): Caller,
    Options(PeoplePage { after, limit }): Options<PeoplePage>,
) -> Result<Json<BlockedUsers>, ApiError> {
    let people = rest.engine.people();
    Ok(Json(people.blocked(&user, after.as_ref(), limit).await?))
}

/// Blocks a user: he is no contact any more, and may neither open nor use the direct conversation of the two.
#[utoipa::path(
    put, path = "/v1/blocks/{user}", tag = "people", operation_id = "block_user",
    security(("token" = [])),
    params(OfUser),
    responses((status = 204, description = "The user is blocked."), BlockErrors)
)]
pub(crate) async fn block(
    State(rest): State<Arc<Rest>>,
    Caller(caller): Caller,
    OfUser { user }: OfUser,
) -> Result<StatusCode, ApiError> {
    rest.engine.people().block(&caller, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a block. The two do not become contacts by it.
#[utoipa::path(
    delete, path = "/v1/blocks/{user}", tag = "people", operation_id = "unblock_user",
    security(("token" = [])),
    params(OfUser),
    responses((status = 204, description = "The user is not blocked."), PageErrors)
)]
pub(crate) async fn unblock(
    State(rest): State<Arc<Rest>>,
    Caller(caller): Caller,
    OfUser { user }: OfUser,
) -> Result<StatusCode, ApiError> {
    rest.engine.people().unblock(&caller, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}
