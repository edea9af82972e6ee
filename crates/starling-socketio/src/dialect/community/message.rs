//! A message, as Community Chat's table has it, with the user whom its clients read.

use serde::Serialize;
use starling_protocol::UserId;

use crate::dialect::place::id_of;
use crate::dialect::stored::Stored;
use crate::dialect::timestamp::iso;

/// "User info (id, username, name)".
#[derive(Debug, Serialize)]
pub(super) struct User {
    id: UserId,
    username: String,
    name: String,
}

impl User {
    pub(super) fn new(id: &UserId, name: &str) -> Self {
        Self {
            id: id.clone(),
            username: name.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// The columns of the table, and `sequenceNumber`. A deleted message is one without text.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    id: String,
    user_id: UserId,
    message: String,
    edited_at: Option<String>,
    is_deleted: bool,
    created_at: String,
    updated_at: String,
    #[serde(rename = "User")]
    user: User,
    #[serde(rename = "sequenceNumber")]
    sequence_number: u64,
}

impl Message {
    pub(super) fn new(stored: &Stored<'_>, name: &str) -> Self {
        Self {
            id: id_of(stored.conversation, stored.seq),
            user_id: stored.sender.clone(),
            message: stored.text.to_owned(),
            edited_at: stored.edited_at.map(iso),
            is_deleted: stored.deleted_at.is_some(),
            created_at: iso(stored.at),
            updated_at: iso(stored.updated_at()),
            user: User::new(stored.sender, name),
            sequence_number: stored.number,
        }
    }
}

/// A message that is gone, by the name as well that its clients ask for it by.
#[derive(Debug, Serialize)]
pub(super) struct Deleted {
    #[serde(rename = "messageId")]
    message_id: String,
    #[serde(flatten)]
    message: Message,
}

impl Deleted {
    pub(super) fn new(stored: &Stored<'_>, name: &str) -> Self {
        Self {
            message_id: id_of(stored.conversation, stored.seq),
            message: Message::new(stored, name),
        }
    }
}
