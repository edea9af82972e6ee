//! Makes tokens with the node's own secret, for sessions, for development and operations.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde::Serialize;
use starling_protocol::UserId;

use super::authority::ADMIN;

/// What a minted token shall say.
#[derive(Debug)]
pub(crate) struct TokenRequest<'a> {
    pub(crate) user: &'a UserId,
    pub(crate) name: Option<&'a str>,
    pub(crate) audience: Option<&'a str>,
    pub(crate) issuer: Option<&'a str>,
    /// The session that it belongs to.
    pub(crate) session: Option<&'a str>,
    /// Whether it has the scope `admin`.
    pub(crate) admin: bool,
    pub(crate) lifetime: Duration,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starling_session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    iat: u64,
    exp: u64,
}

/// A token signed with HS256.
pub(crate) fn mint(secret: &str, request: &TokenRequest<'_>) -> Result<String> {
    let iat = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = Claims {
        sub: request.user.as_str(),
        name: request.name,
        aud: request.audience,
        iss: request.issuer,
        starling_session: request.session,
        scope: request.admin.then_some(ADMIN),
        iat,
        exp: iat.saturating_add(request.lifetime.as_secs()),
    };
    Ok(encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(secret.as_bytes()),
    )?)
}
