//! What a command is answered with when it succeeds.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    BlockedUsers, ClientId, Contact, Contacts, ConversationId, ConversationStats, Entry, EntryStatus, Error,
    Invited, Invites, Kind, Me, MyStats, Presences, ReceiptsPage, Role, Sanctions, Seq, SignedInSessions,
    UserProfile,
};

/// The value of `ok`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To whatever makes an entry, but `create` and `invite`: it is stored for ever at this place.
    Sent(Sent),
    /// To `create`.
    Conversation(ConversationSummary),
    /// To `invite`.
    Invited(Invited),
    /// To `invites`.
    Invites(Invites),
    /// To `sanctions`.
    Sanctions(Sanctions),
    /// To `stats`.
    Stats(ConversationStats),
    /// To `my_stats`.
    MyStats(MyStats),
    /// To `sync`: all conversations are live.
    Synced(Synced),
    /// To `history`.
    History(HistoryPage),
    /// To `list`.
    Conversations(Conversations),
    /// To `receipts`.
    Receipts(ReceiptsPage),
    /// To `status`.
    Status(EntryStatus),
    /// To `presences`.
    Presences(Presences),
    /// To `me`.
    Me(Me),
    /// To `user`.
    User(UserProfile),
    /// To `contacts`.
    Contacts(Contacts),
    /// To `add_contact`.
    Contact(Contact),
    /// To `blocked`.
    Blocked(BlockedUsers),
    /// To `sessions`.
    Sessions(SignedInSessions),
    /// To `auth`, `hide`, `delivered`, `read`, `typing`, `presence`, and to what of `remove_contact`, `block`,
    /// `unblock`, `end_session` and `sign_out` does not end the connection.
    Done {},
    /// To `ping`.
    Pong {
        /// The node's clock, in milliseconds since the Unix epoch.
        at: i64,
    },
}

/// Where an entry is stored (I1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sent {
    /// In which conversation.
    pub conversation: ConversationId,
    /// At which seq.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub seq: Seq,
    /// With which Lamport stamp.
    pub lamport: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
    /// The idempotency key that it is stored under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
}

/// A conversation as one of its members sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationSummary {
    /// Which.
    pub id: ConversationId,
    /// What kind it is.
    pub kind: Kind,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is about, if that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where its picture is, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// Whether anyone may join by himself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// What this user may do in it.
    pub role: Role,
    /// Seq of the last entry.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub head: Seq,
    /// Seq up to which this user has marked it delivered.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub delivered: Seq,
    /// Seq up to which this user has marked it read, or of his own last message.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub read: Seq,
    /// Messages after that mark.
    pub unread: u64,
    /// Whether the user has taken it off his list, and nothing new was said since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// The last message; absent where nothing was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Arc<Entry>>,
}

/// The end of a `sync`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Synced {
    /// How many conversations are live on this connection.
    pub conversations: u64,
    /// Cursors that could not be followed, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<ConversationId, Error>,
}

/// A page of a log, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryPage {
    /// The entries; contiguous, unless only messages were asked for.
    pub entries: Vec<Arc<Entry>>,
    /// Whether there is more beyond the page in the direction that was asked for; of a page around an entry, after it.
    pub more: bool,
}

/// A page of a user's conversations, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Conversations {
    /// The conversations.
    pub conversations: Vec<ConversationSummary>,
    /// Pass this as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ConversationId>,
}
