//! Contacts: add, list, remove; always both ways.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use starling_protocol::{AddContact, Contact, Contacts, UserId};
use utoipa::IntoParams;

use crate::Rest;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::examples;
use crate::extract::{Body, OfUser, Options};
use crate::openapi::{ContactErrors, PageErrors};

/// Which page of people.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PeoplePage {
    /// The `next` of the page before.
    pub(crate) after: Option<UserId>,
    /// 1 to 200, 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u32>,
}

/// Lists the caller's contacts.
///
/// People also become contacts by themselves when they get a direct conversation or share a group of at most 100.
#[utoipa::path(
    get, path = "/v1/contacts", tag = "people", operation_id = "list_contacts",
    security(("token" = [])),
    params(PeoplePage),
    responses(
        (status = 200, description = "A page.", body = Contacts, example = json!(examples::contacts())),
        PageErrors
    )
)]
pub(crate) async fn list(
    State(rest): State<Arc<Rest>>,
    Caller(user): Caller,
    Options(PeoplePage { after, limit }): Options<PeoplePage>,
) -> Result<Json<Contacts>, ApiError> {
    let people = rest.engine.people();
    Ok(Json(people.contacts(&user, after.as_ref(), limit).await?))
}

/// Makes someone a contact, and the caller a contact of his.
#[utoipa::path(
    post, path = "/v1/contacts", tag = "people", operation_id = "add_contact",
    security(("token" = [])),
    request_body(content = AddContact, example = json!({"phone": examples::PHONE})),
    responses(
        (status = 200, description = "They are contacts.", body = Contact, example = json!(examples::contact())),
        ContactErrors
    )
)]
pub(crate) async fn add(
    State(rest): State<Arc<Rest>>,
    Caller(user): Caller,
    Body(request): Body<AddContact>,
) -> Result<Json<Contact>, ApiError> {
    Ok(Json(rest.engine.people().add_contact(&user, &request).await?))
}

/// Ends it, for both. Only a conversation that begins later makes them contacts by itself again.
#[utoipa::path(
    delete, path = "/v1/contacts/{user}", tag = "people", operation_id = "remove_contact",
    security(("token" = [])),
    params(OfUser),
    responses((status = 204, description = "They are no contacts."), PageErrors)
)]
pub(crate) async fn remove(
    State(rest): State<Arc<Rest>>,
    Caller(caller): Caller,
    OfUser { user }: OfUser,
) -> Result<StatusCode, ApiError> {
    rest.engine.people().remove_contact(&caller, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}
