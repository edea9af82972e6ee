//! Receipts: how far each member has a conversation's log, and how far he has read it.

use serde::{Deserialize, Serialize};

use crate::{ConversationId, Role, Seq, UserId};

/// A member's marks. Neither ever goes back or passes the head (I9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Receipt {
    /// Whose.
    pub user: UserId,
    /// Everything up to here has reached one of his devices.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub delivered: Seq,
    /// Everything up to here he has read, or it is his own last message.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub read: Seq,
    /// What he may do; only in a page of receipts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// Marks that have moved, and where the slowest member stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptsChange {
    /// In which conversation.
    pub conversation: ConversationId,
    /// All members have everything up to here.
    pub delivered: Seq,
    /// All members have read everything up to here.
    pub read: Seq,
    /// The members whose marks have moved.
    pub members: Vec<Receipt>,
}

/// A page of a conversation's receipts, by user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReceiptsPage {
    /// The present members' marks.
    pub members: Vec<Receipt>,
    /// Pass this as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Stored; some of the other members do not have it yet.
    Pending,
    /// All other members have it.
    Delivered,
    /// All other members have read it.
    Read,
}

/// What became of one entry, and with whom. Those who became members after it do not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EntryStatus {
    /// In which conversation.
    pub conversation: ConversationId,
    /// Which entry.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub seq: Seq,
    /// What became of it.
    pub status: DeliveryStatus,
    /// The other members who do not have it yet.
    pub pending: Vec<UserId>,
    /// Those who have it and have not read it.
    pub delivered: Vec<UserId>,
    /// Those who have read it.
    pub read: Vec<UserId>,
}
