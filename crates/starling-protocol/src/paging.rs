//! Pages of messages by number, for those who count pages instead of following a cursor. REST only.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::check::page;
use crate::limits::{DEFAULT_MESSAGES_LIMIT, MAX_MESSAGES_LIMIT};
use crate::{Entry, Error, ErrorCode, UserId};

/// Which page of messages, counted from the newest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct MessagesWanted {
    /// Which page, from 1, the newest.
    #[cfg_attr(feature = "openapi", param(minimum = 1))]
    pub page: Option<u64>,
    /// How many of the newest messages are left out; instead of `page`.
    pub skip: Option<u64>,
    /// 1 to 100 messages, 50 if absent.
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 100))]
    pub limit: Option<u32>,
    /// Only messages of this user, among the newest 100,000 messages.
    pub sender: Option<UserId>,
    /// The `as_of` of the first page: what was sent since then does not shift the later ones.
    pub as_of: Option<u64>,
}

impl MessagesWanted {
    /// How many messages a page holds.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_MESSAGES_LIMIT) as usize
    }

    /// How many of the newest messages are left out.
    pub fn skipped(&self) -> u64 {
        let before = self.page.unwrap_or(1).saturating_sub(1);
        self.skip
            .unwrap_or_else(|| before.saturating_mul(self.limit() as u64))
    }

    /// Checks every field against [`crate::limits`].
    ///
    /// # Errors
    /// `invalid` with a sentence that names the field.
    pub fn check(&self) -> Result<(), Error> {
        let invalid = |message| Err(Error::new(ErrorCode::Invalid, message));
        match (self.page, self.skip) {
            (Some(_), Some(_)) => invalid("give `page` or `skip`, not both"),
            (Some(0), _) => invalid("`page` must be 1 at least"),
            _ => page(self.limit, MAX_MESSAGES_LIMIT),
        }
    }
}

/// A page of messages, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessagesPage {
    /// The messages.
    pub messages: Vec<Arc<Entry>>,
    /// How many messages there were when the first page was read. Messages that were taken back count.
    pub as_of: u64,
    /// Whether there are older ones.
    pub more: bool,
}
