//! Who calls: the bearer of the token in the `Authorization` header.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use starling_core::ports::SignInId;
use starling_protocol::{ErrorCode, UserId};

use crate::Rest;
use crate::error::ApiError;

/// The authenticated user. A token in the URL is not looked at: URLs end up in logs.
pub(crate) struct Caller(pub(crate) UserId);

/// The authenticated user, and the session that the token belongs to, if it belongs to one.
pub(crate) struct SignedIn {
    pub(crate) user: UserId,
    pub(crate) session: Option<SignInId>,
    /// Whether the token has the scope `admin`.
    pub(crate) admin: bool,
}

/// The user of a token with the scope `admin`.
pub(crate) struct Admin(pub(crate) UserId);

impl FromRequestParts<Arc<Rest>> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, rest: &Arc<Rest>) -> Result<Self, ApiError> {
        let SignedIn { user, admin, .. } = SignedIn::from_request_parts(parts, rest).await?;
        if !admin {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "only tokens with the scope `admin` may ask this",
            ));
        }
        Ok(Self(user))
    }
}

impl FromRequestParts<Arc<Rest>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, rest: &Arc<Rest>) -> Result<Self, ApiError> {
        let SignedIn { user, .. } = SignedIn::from_request_parts(parts, rest).await?;
        Ok(Self(user))
    }
}

impl FromRequestParts<Arc<Rest>> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, rest: &Arc<Rest>) -> Result<Self, ApiError> {
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .ok_or_else(|| unauthenticated("there is no token"))?;
        let token = header
            .to_str()
            .ok()
            .and_then(bearer)
            .ok_or_else(|| unauthenticated("the header is malformed"))?;
        let identity = rest.auth.authenticate(token).await?;
        rest.engine
            .saw_user(&identity.user, identity.name.as_deref())
            .await;
        Ok(Self {
            user: identity.user,
            session: identity.sign_in,
            admin: identity.admin,
        })
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
        .filter(|token| !token.is_empty())
}

fn unauthenticated(fault: &str) -> ApiError {
    ApiError::new(
        ErrorCode::Unauthenticated,
        format!("{fault}: send `Authorization: Bearer TOKEN`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_tokens_are_taken() {
        for (header, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("abc", None),
        ] {
            assert_eq!(bearer(header), token, "{header:?}");
        }
    }
}
