//! People: signing in by phone, sessions and their end, profiles, contacts and blocks.
//!
//! What must hold:
//!
//! - A phone number has one user for ever, whoever signs in first, wherever, at the same time.
//! - Codes, refresh tokens and numbers are stored as digests only where they are kept outside of the user's own
//!   record, and codes, of which there are only a million, as keyed ones.
//! - A sign-in that is ended is ended: no token of it is taken by any node after a few seconds, and its connections
//!   close. The store decides; the bus only hastens it.
//! - Contacts are both ways or not at all.

mod barred;
mod codes;
mod contacts;
mod ended;
mod guard;
mod keys;
mod phone;
mod profiles;
mod refresh_token;
mod settings;
mod sign_in;

use std::fmt;
use std::sync::Arc;

use starling_protocol::{ClientId, ConversationId, Error, ErrorCode, UserId};

pub use guard::SignInGuard;
pub use phone::{NotAPhone, Phone};
pub use settings::{PeopleSettings, Secret};

pub(crate) use barred::{check_open, check_send};
pub(crate) use ended::{Watch, follow, follow_once};
pub(crate) use profiles::check_avatar;

use crate::ports::{Digest, Quota};
use crate::shared::Shared;
use barred::Barred;
use ended::Ended;
use keys::Keys;

/// What a node keeps in memory about people. All of it is bounded, and none of it decides.
pub(crate) struct Known {
    keys: Keys,
    pub(crate) ended: Ended,
    pub(crate) barred: Barred,
}

impl Known {
    pub(crate) fn new(settings: &PeopleSettings) -> Self {
        Self {
            keys: Keys::new(settings.secret.as_ref()),
            ended: Ended::new(settings.access_life),
            barred: Barred::default(),
        }
    }

    /// The secret of the invite that a user's request makes, however often it is asked for. `None` where the nodes
    /// share no secret that it could be made from.
    pub(crate) fn invite_secret(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        client_id: &ClientId,
    ) -> Option<Digest> {
        self.keys.invite_secret(conversation, user, client_id)
    }
}

/// Signing in, profiles and contacts at one node. Cheap to clone.
///
/// All methods may be cancelled: what they were about to do is then done whole or not at all.
#[derive(Clone)]
pub struct People {
    shared: Arc<Shared>,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").finish_non_exhaustive()
    }
}

impl People {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Takes one of what a subject may do, or says when there will be one more.
    async fn spend(&self, kind: &str, subject: &str, quota: Quota) -> Result<(), Error> {
        let subject = self.shared.people.keys.subject(kind, subject);
        let quotas = &self.shared.ports.people.quotas;
        let Some(wait) = quotas.spend(&subject, quota).await? else {
            return Ok(());
        };
        metrics::counter!("starling_quota_refusals_total", "kind" => kind.to_owned()).increment(1);
        let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        Err(Error::new(ErrorCode::RateLimited, "this was asked for too often").retry_after(ms))
    }
}

fn unknown_user() -> Error {
    Error::new(ErrorCode::UnknownUser, "there is no such user")
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::Invalid, message)
}
