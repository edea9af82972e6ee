//! Access tokens of sessions that people have signed in to: short-lived, signed with the cluster's secret.

use std::time::Duration;

use starling_core::ports::{SignInId, TokenIssuer};
use starling_protocol::{Error, ErrorCode, UserId};

use super::{TokenRequest, mint};

/// Makes them as this cluster's nodes want them.
pub(crate) struct SessionTokens {
    secret: String,
    audience: Option<String>,
    issuer: Option<String>,
}

impl SessionTokens {
    pub(crate) fn new(secret: &str, audience: Option<&str>, issuer: Option<&str>) -> Self {
        Self {
            secret: secret.to_owned(),
            audience: audience.map(str::to_owned),
            issuer: issuer.map(str::to_owned),
        }
    }
}

impl TokenIssuer for SessionTokens {
    fn issue(&self, user: &UserId, sign_in: &SignInId, life: Duration) -> Result<String, Error> {
        let request = TokenRequest {
            user,
            name: None,
            audience: self.audience.as_deref(),
            issuer: self.issuer.as_deref(),
            session: Some(sign_in.as_str()),
            admin: false,
            lifetime: life,
        };
        mint(&self.secret, &request).map_err(|error| {
            Error::new(
                ErrorCode::Internal,
                format!("a token could not be signed: {error}"),
            )
        })
    }
}
