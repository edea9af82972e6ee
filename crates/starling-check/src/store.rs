//! The final state of the store, as read at majority when nothing is in flight any more.
//!
//! One JSON object in a line: `{"entry":…}` for every entry of every log, as on the wire, and
//! `{"conversation":…}` for what the directory holds of each conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use starling_protocol::{ConversationId, Entry, InviteId, Profile, Role, Seq, UserId};

/// A line of a store's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreRecord {
    /// An entry of a log.
    Entry(Entry),
    /// A conversation as the directory has it.
    Conversation(StoredConversation),
}

/// A conversation as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredConversation {
    /// Which.
    pub id: ConversationId,
    /// The log's head, if the directory knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Seq>,
    /// Up to where its entries are applied to the directory, if that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Seq>,
    /// Its members. Former ones, which have [`StoredMember::left`], need not be among them.
    pub members: Vec<StoredMember>,
    /// What governs it, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governance: Option<Governance>,
}

/// What governs a conversation, as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Governance {
    /// What it is called, and who may join it.
    pub profile: Profile,
    /// Who is banned.
    pub banned: BTreeSet<UserId>,
    /// Who is muted and until when, in milliseconds since the Unix epoch; those too whose time is over. `i64::MAX`: until
    /// it is lifted.
    pub muted: BTreeMap<UserId, i64>,
    /// The invites that are neither revoked nor used up, with how many have joined by each.
    pub invites: BTreeMap<InviteId, u32>,
}

/// A member as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMember {
    /// Who.
    pub user: UserId,
    /// What he or she may do.
    pub role: Role,
    /// Up to where the log was delivered to one of the user's devices.
    pub delivered: Seq,
    /// Up to where the user has read it.
    #[serde(default)]
    pub read: Seq,
    /// Seq of the entry that ended the membership; absent for present members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Seq>,
}

/// Writes a store's state to a new file.
///
/// # Errors
/// If the file cannot be made or written.
pub fn write_store<'a>(path: &Path, records: impl IntoIterator<Item = &'a StoreRecord>) -> io::Result<()> {
    let mut writer = BufWriter::new(File::create(path)?);
    for record in records {
        serde_json::to_writer(&mut writer, record)?;
        writer.write_all(b"\n")?;
    }
    writer.flush()
}
