//! What the server says unasked.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ConversationId, ConversationSummary, Entry, Error, Presence, ReceiptsChange, Seq, UserId};

/// A frame without id; its tag is the frame's only key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The connection is authenticated.
    Ready(Ready),
    /// A conversation's stream starts here: its next entry is `cursor` + 1.
    Conversation(ConversationState),
    /// The next entry of a conversation's stream.
    Entry(Arc<Entry>),
    /// Members' marks have moved.
    Receipts(ReceiptsChange),
    /// Another member types, or has stopped.
    Typing(TypingChange),
    /// Someone who shares a conversation with this user has come, gone, or says something else about himself.
    Presence(Presence),
    /// On one of his devices the user has taken a conversation off his list.
    Hidden(Hidden),
    /// A frame could not be read so far that its id is known.
    Error(Error),
}

/// Who the connection belongs to and who serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The authenticated user.
    pub user: UserId,
    /// The node's name.
    pub node: String,
    /// This connection's name, unique in the cluster.
    pub connection: String,
    /// The server pings after this many milliseconds of silence, and closes after twice as many.
    pub heartbeat_ms: u64,
}

/// A conversation's state when its stream starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationState {
    /// The stream continues after this seq. A client that holds a lower cursor may fill up with `history`.
    pub cursor: Seq,
    /// The conversation as it was when the stream started.
    pub conversation: ConversationSummary,
}

/// The user has taken a conversation off his list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    /// Which.
    pub conversation: ConversationId,
    /// Until its log holds more messages than these.
    pub messages: u64,
}

/// Another member types, or has stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypingChange {
    /// Where.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserId,
    /// Whether he types.
    pub typing: bool,
}
