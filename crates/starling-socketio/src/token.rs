//! Who a client says that it is.

use std::collections::HashMap;

use axum::extract::Query;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use serde_json::Value;
use starling_core::Identity;
use starling_protocol::{Error, ErrorCode, UserId};

use crate::{Identification, SocketIo};

/// What a client has shown.
pub(crate) enum Shown {
    /// Who it is.
    Identity(Identity),
    /// Nothing; in development mode it may say so later.
    Nothing,
}

/// Finds out who it is: by `auth.token`, else the `Authorization` header, else `token` in the query; in development
/// mode, where there is none of them, by `userId` in either.
///
/// # Errors
/// `unauthenticated`; `forbidden` where it names another user than its token; `unavailable`.
pub(crate) async fn identify(server: &SocketIo, parts: &Parts, auth: &Value) -> Result<Shown, Error> {
    let query = Query::<HashMap<String, String>>::try_from_uri(&parts.uri)
        .map_or_else(|_| HashMap::new(), |query| query.0);
    let given = |name: &str| {
        auth.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let header = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = given("token")
        .or(header)
        .or(query.get("token").map(String::as_str))
        .map(without_scheme);
    let claimed = given("userId").or(query.get("userId").map(String::as_str));
    if let Some(token) = token {
        let identity = server.authenticate(token).await?;
        if given("userId").is_some_and(|claimed| claimed != identity.user.as_str()) {
            return Err(not_yours());
        }
        return Ok(Shown::Identity(identity));
    }
    match (server.settings().identification, claimed) {
        (Identification::Token, _) => Err(Error::new(
            ErrorCode::Unauthenticated,
            "there is no token: give one as auth.token, in the Authorization header, or as ?token=",
        )),
        (Identification::BareUserId, None) => Ok(Shown::Nothing),
        (Identification::BareUserId, Some(user)) => {
            let name = given("username").or(query.get("username").map(String::as_str));
            Ok(Shown::Identity(bare(user, name)?))
        }
    }
}

/// Whoever it says that it is: for development.
///
/// # Errors
/// `unauthenticated` for what is no user id.
pub(crate) fn bare(user: &str, name: Option<&str>) -> Result<Identity, Error> {
    let user =
        UserId::new(user).map_err(|invalid| Error::new(ErrorCode::Unauthenticated, invalid.to_string()))?;
    Ok(Identity {
        name: name.map(str::to_owned),
        ..Identity::of(user)
    })
}

/// A client names a user that its token is not of.
pub(crate) fn not_yours() -> Error {
    Error::new(ErrorCode::Forbidden, "the token is another user's")
}

fn without_scheme(token: &str) -> &str {
    match token.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => token.trim(),
    }
}
