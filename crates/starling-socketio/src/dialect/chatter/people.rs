//! Signing in, profiles and contacts.
//!
//! Chatter let in whoever knew a number. Here its two routes take two steps each: without `code` they send one to the
//! number, and with it they sign in.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use starling_protocol::{
    AddContact, CodeRequest, Contact, ConversationId, Error, ProfileChange, SignIn, UserId,
};

use super::person::Person;
use super::sync_interval_minutes;
use crate::SocketIo;
use crate::dialect::error::Done;
use crate::dialect::payload::invalid;
use crate::dialect::routes::{
    Caller, CameFrom, Failure, InBody, InPath, InQuery, Route, delete, get, post, put,
};
use crate::dialect::timestamp::iso;

pub(super) fn routes() -> Vec<Route> {
    vec![
        post("/api/register", register),
        post("/api/login", login),
        get("/api/users/{userId}", read_user),
        put("/api/users/{userId}", change_user),
        // Whose, and which: the same place in the path has one name.
        get("/api/contacts/{id}", contacts),
        delete("/api/contacts/{id}", remove_contact),
        post("/api/contacts", add_contact),
    ]
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entering {
    #[serde(alias = "phoneNumber")]
    phone: String,
    name: Option<String>,
    code: Option<String>,
    device: Option<String>,
}

async fn register(
    State(server): State<SocketIo>,
    CameFrom(address): CameFrom,
    InBody(said): InBody<Entering>,
) -> Result<Response, Failure> {
    if said.name.as_deref().is_none_or(|name| name.trim().is_empty()) {
        return Err(invalid("a new user has a name").into());
    }
    Ok(enter(&server, said, address).await?)
}

async fn login(
    State(server): State<SocketIo>,
    CameFrom(address): CameFrom,
    InBody(said): InBody<Entering>,
) -> Result<Response, Failure> {
    Ok(enter(&server, said, address).await?)
}

#[derive(Serialize)]
struct Challenged {
    success: bool,
    challenge: Challenge,
    /// Only in development mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// What is asked of whoever wants to sign in: the code that was sent to the number.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Challenge {
    #[serde(rename = "type")]
    kind: &'static str,
    phone: String,
    /// For how many seconds it is good.
    expires_in: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entered {
    success: bool,
    user: Person,
    /// The bearer token of all that follows.
    token: String,
    expires_in: u64,
    refresh_token: String,
    refresh_expires_in: u64,
    new_user: bool,
    sync_interval_minutes: u64,
}

async fn enter(server: &SocketIo, said: Entering, address: IpAddr) -> Result<Response, Error> {
    let people = server.engine().people();
    let Some(code) = said.code else {
        let sent = people
            .send_code(
                &CodeRequest {
                    phone: said.phone.clone(),
                },
                address,
            )
            .await?;
        let challenged = Challenged {
            success: true,
            challenge: Challenge {
                kind: "code",
                phone: said.phone,
                expires_in: sent.expires_in,
            },
            code: sent.code,
        };
        return Ok((StatusCode::ACCEPTED, secret(challenged)).into_response());
    };
    let sign_in = SignIn {
        phone: said.phone,
        code,
        name: said.name,
        device: said.device,
    };
    let tokens = people.sign_in(sign_in, address).await?;
    let entered = Entered {
        success: true,
        user: people.me(&tokens.user).await?.into(),
        token: tokens.access_token,
        expires_in: tokens.expires_in,
        refresh_token: tokens.refresh_token,
        refresh_expires_in: tokens.refresh_expires_in,
        new_user: tokens.new_user,
        sync_interval_minutes: sync_interval_minutes(server),
    };
    Ok(secret(entered).into_response())
}

/// Nothing on the way shall keep it.
fn secret<T: Serialize>(body: T) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(body))
}

#[derive(Serialize)]
struct OneUser {
    success: bool,
    user: Person,
}

async fn read_user(
    State(server): State<SocketIo>,
    caller: Caller,
    InPath(user): InPath<UserId>,
) -> Result<Json<OneUser>, Failure> {
    let people = server.engine().people();
    let user = if user == *caller.user() {
        people.me(&user).await?.into()
    } else {
        people.user(caller.user(), &user).await?.into()
    };
    Ok(Json(OneUser { success: true, user }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    name: Option<String>,
    about: Option<String>,
    avatar_url: Option<String>,
    phone: Option<String>,
}

async fn change_user(
    State(server): State<SocketIo>,
    caller: Caller,
    InPath(user): InPath<UserId>,
    InBody(said): InBody<Change>,
) -> Result<Json<OneUser>, Failure> {
    caller.check(Some(&user))?;
    let people = server.engine().people();
    if said.phone.is_some() && people.me(&user).await?.phone != said.phone {
        return Err(invalid("the number is what one signs in with: it does not change").into());
    }
    let change = ProfileChange {
        name: said.name,
        about: said.about,
        avatar_url: said.avatar_url,
    };
    let user = people.change_profile(&user, &change).await?.into();
    Ok(Json(OneUser { success: true, user }))
}

/// A contact, and the conversation that the two have or would have.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    contact_id: UserId,
    conversation_id: ConversationId,
    added_at: String,
    #[serde(flatten)]
    person: Person,
}

impl Known {
    fn new(server: &SocketIo, user: &UserId, contact: Contact) -> Self {
        Self {
            conversation_id: server.engine().direct_conversation(user, &contact.user.id),
            contact_id: contact.user.id.clone(),
            added_at: iso(contact.since),
            person: contact.user.into(),
        }
    }
}

#[derive(Deserialize)]
struct ContactsQuery {
    after: Option<UserId>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Contacts {
    success: bool,
    contacts: Vec<Known>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<UserId>,
}

async fn contacts(
    State(server): State<SocketIo>,
    caller: Caller,
    InPath(user): InPath<UserId>,
    InQuery(page): InQuery<ContactsQuery>,
) -> Result<Json<Contacts>, Failure> {
    caller.check(Some(&user))?;
    let people = server.engine().people();
    let page = people.contacts(&user, page.after.as_ref(), page.limit).await?;
    let known = page
        .contacts
        .into_iter()
        .map(|contact| Known::new(&server, &user, contact));
    Ok(Json(Contacts {
        success: true,
        contacts: known.collect(),
        next: page.next,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewContact {
    #[serde(alias = "phoneNumber")]
    phone: Option<String>,
    contact_id: Option<UserId>,
    user_id: Option<UserId>,
}

async fn add_contact(
    State(server): State<SocketIo>,
    caller: Caller,
    InBody(said): InBody<NewContact>,
) -> Result<Json<Done<Known>>, Failure> {
    caller.check(said.user_id.as_ref())?;
    let request = AddContact {
        phone: said.phone,
        user: said.contact_id,
    };
    let contact = server
        .engine()
        .people()
        .add_contact(caller.user(), &request)
        .await?;
    Ok(Json(Done::with(Known::new(&server, caller.user(), contact))))
}

async fn remove_contact(
    State(server): State<SocketIo>,
    caller: Caller,
    InPath(contact): InPath<UserId>,
) -> Result<Json<Done<()>>, Failure> {
    server
        .engine()
        .people()
        .remove_contact(caller.user(), &contact)
        .await?;
    Ok(Json(Done::plain()))
}
