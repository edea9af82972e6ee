//! Statistics: how much was said, by how many, and when.

use serde::{Deserialize, Serialize};

use crate::ConversationId;

/// What was said in a conversation, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationStats {
    /// Which.
    pub conversation: ConversationId,
    /// All messages; those that were taken back count.
    pub messages: u64,
    /// Present members.
    pub members: u64,
    /// From how many of the newest messages `senders` and `days` are counted: from all, 200,000 at most.
    pub counted: u64,
    /// How many different users have sent them.
    pub senders: u64,
    /// The days on which they were sent, the newest first.
    pub days: Vec<DayStats>,
}

/// One day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DayStats {
    /// Its beginning in UTC, in milliseconds since the Unix epoch.
    pub day: i64,
    /// Messages that were sent on it.
    pub messages: u64,
}
