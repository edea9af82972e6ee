//! A message, as CampZone's and Chat Service's clients read it.

use serde::Serialize;
use starling_protocol::{Body, ConversationId, Entry, MessageKind, UserId};

use crate::dialect::place::id_of;
use crate::dialect::timestamp::iso;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Status {
    /// Stored.
    Pending,
    /// All other members have it.
    Delivered,
    /// All other members have read it.
    Read,
}

/// Both seeds' fields, and `sequenceNumber`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message<'a> {
    message_id: String,
    room_id: &'a ConversationId,
    // CampZone:
    sender_id: &'a UserId,
    content: &'a str,
    lamport_timestamp: u64,
    created_at: String,
    status: Status,
    message_type: MessageKind,
    // Chat Service:
    user_id: &'a UserId,
    username: &'a str,
    message: &'a str,
    timestamp: i64,
    /// Its ordinal among the messages of its room.
    sequence_number: u64,
}

/// As it stands now: these clients know neither edits nor deletions. `None` for entries that are no messages, and for
/// messages that were deleted.
pub(super) fn message<'a>(entry: &'a Entry, username: &'a str, status: Status) -> Option<Message<'a>> {
    let (Body::Message(content), Some(sender)) = (&entry.body, &entry.sender) else {
        return None;
    };
    let state = entry.state.as_ref();
    if state.is_some_and(|state| state.deleted_at.is_some()) {
        return None;
    }
    let text = state
        .and_then(|state| state.text.as_ref())
        .unwrap_or(&content.text);
    Some(Message {
        message_id: id_of(&entry.conversation, entry.seq),
        room_id: &entry.conversation,
        sender_id: sender,
        content: text,
        lamport_timestamp: entry.lamport,
        created_at: iso(entry.at),
        status,
        message_type: content.kind,
        user_id: sender,
        username,
        message: text,
        timestamp: entry.at,
        sequence_number: entry.messages,
    })
}
