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

/// What a user's conversations hold, and what he has sent in them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MyStats {
    /// The conversations of which he is a member.
    pub conversations: u64,
    /// All messages in them; those that were taken back count, here as everywhere.
    pub messages: u64,
    /// Of these, those after his read marks.
    pub unread: u64,
    /// Of these, those that he has sent himself; counted from at most 200,000 entries of his.
    pub sent: u64,
    /// The days on which he has sent them, the newest first.
    pub days: Vec<DayStats>,
}

/// What the cluster holds, in numbers; for administrators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterStats {
    /// Conversations; those that were deleted for all are left out.
    pub conversations: u64,
    /// All messages that were ever stored.
    pub messages: u64,
    /// Users who were ever seen.
    pub users: u64,
    /// From how many of the newest messages `senders` and `days` are counted: those among the newest 200,000 entries.
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
