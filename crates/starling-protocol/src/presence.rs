//! Presence: who is there, and what he says about it.

use serde::{Deserialize, Serialize};

use crate::UserId;

/// What a connection says about its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// He is there.
    Online,
    /// The device is connected, and nobody looks at it.
    Away,
}

/// A user's state, of all his connections together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PresenceState {
    /// At least one connection says so.
    Online,
    /// All of his connections say `away`.
    Away,
    /// There is no connection.
    Offline,
}

/// What others see of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Presence {
    /// Who.
    pub user: UserId,
    /// Whether he is there.
    pub state: PresenceState,
    /// What he says about himself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When his last connection ended, in milliseconds since the Unix epoch; absent while he is connected, and
    /// where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<i64>,
}

/// The presences of those who were asked about and may be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Presences {
    /// In the order asked for; those whom the caller may not see, and those whom nobody knows, are left out.
    pub presences: Vec<Presence>,
}
