//! Profiles: the caller's own, and others'.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use starling_protocol::{Me, ProfileChange, UserProfile};

use crate::Rest;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::examples;
use crate::extract::{Body, OfUser};
use crate::openapi::{OwnErrors, PageErrors, UserErrors};

/// Reads the caller's profile.
#[utoipa::path(
    get, path = "/v1/me", tag = "people", operation_id = "read_me",
    security(("token" = [])),
    responses(
        (status = 200, description = "The profile.", body = Me, example = json!(examples::me())),
        PageErrors
    )
)]
pub(crate) async fn read(State(rest): State<Arc<Rest>>, Caller(user): Caller) -> Result<Json<Me>, ApiError> {
    Ok(Json(rest.engine.people().me(&user).await?))
}

/// Changes the caller's profile. What is absent stays.
#[utoipa::path(
    patch, path = "/v1/me", tag = "people", operation_id = "change_me",
    security(("token" = [])),
    request_body(content = ProfileChange, example = json!({"name": "Alice", "about": ""})),
    responses(
        (status = 200, description = "The profile as it is now.", body = Me, example = json!(examples::me())),
        OwnErrors
    )
)]
pub(crate) async fn change(
    State(rest): State<Arc<Rest>>,
    Caller(user): Caller,
    Body(change): Body<ProfileChange>,
) -> Result<Json<Me>, ApiError> {
    Ok(Json(rest.engine.people().change_profile(&user, &change).await?))
}

/// Reads what another user shows of himself.
///
/// The phone number is there only for a contact who gave it, or whom that user has added.
#[utoipa::path(
    get, path = "/v1/users/{user}", tag = "people", operation_id = "read_user",
    security(("token" = [])),
    params(OfUser),
    responses(
        (status = 200, description = "The profile.", body = UserProfile, example = json!(examples::user())),
        UserErrors
    )
)]
pub(crate) async fn user(
    State(rest): State<Arc<Rest>>,
    Caller(caller): Caller,
    OfUser { user }: OfUser,
) -> Result<Json<UserProfile>, ApiError> {
    Ok(Json(rest.engine.people().user(&caller, &user).await?))
}
