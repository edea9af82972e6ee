//! Tokens of sessions that are over are not believed.

use std::sync::Arc;

use async_trait::async_trait;
use starling_protocol::{Error, ErrorCode};

use super::People;
use crate::{Authenticator, Identity};

/// An authenticator that also asks whether the sign-in that a token was made for is in force.
pub struct SignInGuard {
    tokens: Arc<dyn Authenticator>,
    people: People,
}

impl SignInGuard {
    /// Believes what `tokens` believes, as long as its sign-in lasts.
    pub fn new(tokens: Arc<dyn Authenticator>, people: People) -> Self {
        Self { tokens, people }
    }
}

#[async_trait]
impl Authenticator for SignInGuard {
    async fn authenticate(&self, token: &str) -> Result<Identity, Error> {
        let identity = self.tokens.authenticate(token).await?;
        if let Some(sign_in) = &identity.sign_in
            && !self.people.is_in_force(sign_in).await?
        {
            metrics::counter!("starling_tokens_refused_total").increment(1);
            return Err(Error::new(
                ErrorCode::Unauthenticated,
                "the session is over: sign in again",
            ));
        }
        Ok(identity)
    }
}
