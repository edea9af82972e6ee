//! Which token to connect with, and whether there may be another one after it was refused.

use crate::builder::{TokenError, TokenProvider};

/// See the module.
pub(crate) struct Token {
    provider: Option<TokenProvider>,
    state: State,
}

enum State {
    /// The application's only one, or the provider's last one.
    Good(Option<String>),
    /// The provider is to be asked, and must not give this one again.
    Wanted { refused: Option<String> },
}

/// What there is to connect with.
pub(crate) enum Choice {
    /// This token, or none.
    Use(Option<String>),
    /// Nothing new: it would be refused again.
    Exhausted,
    /// The provider could not tell now.
    Failed(TokenError),
}

impl Token {
    pub(crate) fn new(token: Option<String>, provider: Option<TokenProvider>) -> Self {
        let state = match (&token, &provider) {
            (None, Some(_)) => State::Wanted { refused: None },
            _ => State::Good(token),
        };
        Self { provider, state }
    }

    /// The token in hand was refused. Returns whether there may be another one.
    pub(crate) fn refused(&mut self) -> bool {
        if self.provider.is_none() {
            return false;
        }
        if let State::Good(token) = &mut self.state {
            self.state = State::Wanted {
                refused: token.take(),
            };
        }
        true
    }

    /// What to connect with; [`Self::chosen`] makes it the token in hand. Dropping the future changes nothing.
    pub(crate) fn choose(&self) -> impl Future<Output = Choice> + Send + use<> {
        let known = match (&self.state, &self.provider) {
            (State::Good(token), _) => Err(Choice::Use(token.clone())),
            (State::Wanted { .. }, None) => Err(Choice::Exhausted),
            (State::Wanted { refused }, Some(provider)) => Ok((provider.clone(), refused.clone())),
        };
        async move {
            let (provider, refused) = match known {
                Ok(asking) => asking,
                Err(choice) => return choice,
            };
            match provider().await {
                Ok(token) if refused.as_ref() == Some(&token) => Choice::Exhausted,
                Ok(token) => Choice::Use(Some(token)),
                Err(error) => Choice::Failed(error),
            }
        }
    }

    /// This is the token in hand from now on.
    pub(crate) fn chosen(&mut self, token: Option<String>) {
        self.state = State::Good(token);
    }
}
