//! What an operator may change about people.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ports::Quota;

/// A secret that all nodes share. Not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// Takes it.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(bytes.as_ref().into())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// What an operator may change about people.
#[derive(Debug, Clone)]
pub struct PeopleSettings {
    /// Keys are derived from it; all nodes of a cluster have the same.
    pub secret: Option<Secret>,
    /// How long an access token is good.
    pub access_life: Duration,
    /// How long a refresh token is good.
    pub refresh_life: Duration,
    /// For how long a refresh token that was replaced may be shown again, by a client that the answer did not reach.
    pub refresh_grace: Duration,
    /// How long a code is good.
    pub code_life: Duration,
    /// How often a code may be tried.
    pub code_tries: u32,
    /// Whether the answer to whoever asks for a code carries it. For development only.
    pub code_in_answer: bool,
    /// Codes for one phone number.
    pub codes_per_phone: Quota,
    /// Codes for one address, and tries from it, a few for each code.
    pub codes_per_address: Quota,
    /// Contacts that one user adds, and blocks.
    pub contacts_per_user: Quota,
    /// How often a node asks the store for sign-ins that were ended.
    pub follow_interval: Duration,
}

impl Default for PeopleSettings {
    fn default() -> Self {
        Self {
            secret: None,
            access_life: Duration::from_secs(15 * 60),
            refresh_life: Duration::from_secs(30 * 24 * 3600),
            refresh_grace: Duration::from_secs(60),
            code_life: Duration::from_secs(5 * 60),
            code_tries: 5,
            code_in_answer: false,
            codes_per_phone: Quota::per_hour(5),
            codes_per_address: Quota::per_hour(30),
            contacts_per_user: Quota::per_hour(100),
            follow_interval: Duration::from_secs(2),
        }
    }
}

impl Quota {
    /// So many an hour (at least one), all of them at once if need be.
    pub fn per_hour(count: u32) -> Self {
        let count = count.max(1);
        Self {
            each: Duration::from_secs(3600) / count,
            burst: count,
        }
    }
}
