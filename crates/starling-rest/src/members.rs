//! Who is in a conversation: add others, remove others.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use starling_protocol::{AddMembers, Command, RemoveMember, Sent, UserId};
use utoipa::ToSchema;

use crate::Rest;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::examples;
use crate::extract::{Body, InConversation, MemberOf};
use crate::openapi::{AddErrors, RequestErrors};

/// New members.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMembers {
    /// Who; those who are members already stay as they are.
    #[schema(min_items = 1, max_items = 500)]
    users: Vec<UserId>,
}

/// Makes others members of a group. Moderators and admins may.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/members", tag = "members", operation_id = "add_members",
    security(("token" = [])),
    params(InConversation),
    request_body(content = NewMembers, example = json!({"users": ["carol", "dave"]})),
    responses(
        (status = 200, description = "They are members from this entry on.", body = Sent, example = json!(examples::change())),
        AddErrors
    )
)]
pub(crate) async fn add(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id }: InConversation,
    Body(NewMembers { users }): Body<NewMembers>,
) -> Result<Json<Sent>, ApiError> {
    rest.store(
        &caller,
        Command::Add(AddMembers {
            conversation: id,
            users,
        }),
    )
    .await
    .map(Json)
}

/// Ends another's membership. Moderators and admins may; moderators and admins are removed by admins only.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/members/{user}", tag = "members", operation_id = "remove_member",
    security(("token" = [])),
    params(MemberOf),
    responses(
        (status = 200, description = "The user is no member from this entry on.", body = Sent, example = json!(examples::change())),
        RequestErrors
    )
)]
pub(crate) async fn remove(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    MemberOf { id, user }: MemberOf,
) -> Result<Json<Sent>, ApiError> {
    rest.store(
        &caller,
        Command::Remove(RemoveMember {
            conversation: id,
            user,
        }),
    )
    .await
    .map(Json)
}
