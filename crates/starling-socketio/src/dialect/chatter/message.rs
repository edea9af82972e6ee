//! A message, as Chatter's clients read it.

use serde::Serialize;
use starling_protocol::{ClientId, ConversationId, UserId};

use crate::dialect::place::id_of;
use crate::dialect::stored::Stored;
use crate::dialect::timestamp::iso;

/// Of a message besides its text.
const OVERHEAD: usize = 512;

/// A deleted message is one without text.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    #[serde(rename = "_id")]
    id: String,
    conversation_id: ConversationId,
    sender_id: UserId,
    sender_name: String,
    message: String,
    sequence_number: u64,
    timestamp: i64,
    created_at: String,
    updated_at: String,
    edited: bool,
    deleted: bool,
    /// The sender's own key for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<ClientId>,
}

impl Message {
    pub(super) fn new(stored: &Stored<'_>, name: &str) -> Self {
        Self {
            id: id_of(stored.conversation, stored.seq),
            conversation_id: stored.conversation.clone(),
            sender_id: stored.sender.clone(),
            sender_name: name.to_owned(),
            message: stored.text.to_owned(),
            sequence_number: stored.number,
            timestamp: stored.at,
            created_at: iso(stored.at),
            updated_at: iso(stored.updated_at()),
            edited: stored.edited_at.is_some(),
            deleted: stored.deleted_at.is_some(),
            client_id: stored.client_id.cloned(),
        }
    }

    pub(super) fn sequence_number(&self) -> u64 {
        self.sequence_number
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        OVERHEAD + self.message.len()
    }
}
