//! Who someone is: the port that the entrances (WebSocket, REST, Socket.IO) authenticate through.

use std::future::pending;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use starling_protocol::limits::MAX_TOKEN_BYTES;
use starling_protocol::{Error, ErrorCode, UserId};
use tokio::time::timeout;

use crate::ports::SignInId;

/// What a valid token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The token's `sub`.
    pub user: UserId,
    /// The token's `name` or `username`.
    pub name: Option<String>,
    /// When the token expires, in seconds since the Unix epoch; live connections end then.
    pub expires_at: Option<i64>,
    /// The sign-in that it was made for; `None` for tokens of an outside issuer, and those of an operator.
    pub sign_in: Option<SignInId>,
    /// Whether the token has the scope `admin`.
    pub admin: bool,
}

impl Identity {
    /// Someone of whom nothing else is known.
    pub fn of(user: UserId) -> Self {
        Self {
            user,
            name: None,
            expires_at: None,
            sign_in: None,
            admin: false,
        }
    }
}

/// Waits until a token that expires at this second of the Unix epoch has done so; for ever if it never does.
pub async fn until_expired(expires_at: Option<i64>) {
    let Some(expires_at) = expires_at else {
        return pending().await;
    };
    let expires_at = Duration::from_secs(u64::try_from(expires_at).unwrap_or(0));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    tokio::time::sleep(expires_at.saturating_sub(now)).await;
}

/// Asks `auth`, in bounded time, about a token of bounded length.
///
/// # Errors
/// `unauthenticated`, as [`Authenticator::authenticate`] and for a token that is empty or too long; `unavailable` if it
/// could not be checked within `limit`.
pub async fn authenticate_within(
    auth: &dyn Authenticator,
    token: &str,
    limit: Duration,
) -> Result<Identity, Error> {
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
        let message = format!("a token has 1 to {MAX_TOKEN_BYTES} bytes");
        return Err(Error::new(ErrorCode::Unauthenticated, message));
    }
    let late = |_| Error::new(ErrorCode::Unavailable, "the token could not be checked in time");
    timeout(limit, auth.authenticate(token)).await.map_err(late)?
}

/// Checks tokens.
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// Who the bearer of `token` is.
    ///
    /// # Errors
    /// `unauthenticated` with a sentence that says what is wrong with the token, without repeating it.
    async fn authenticate(&self, token: &str) -> Result<Identity, Error>;
}
