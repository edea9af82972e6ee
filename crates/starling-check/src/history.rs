//! The records of a history: what clients did and heard, and what was done to the cluster.
//!
//! One JSON object in a line, `at` first, then one key that names the kind:
//!
//! ```text
//! {"at":1200345,"invoke":{"client":"u1","op":7,"call":{"send":{"conversation":"g.4Zk","client_id":"01J9"}}}}
//! {"at":1212001,"sent":{"client":"u1","epoch":1,"frame":12,"conversation":"g.4Zk","client_id":"01J9"}}
//! {"at":1925534,"answered":{"client":"u1","epoch":1,"frame":12,"seq":42}}
//! {"at":1930077,"ok":{"client":"u1","op":7,"seq":42}}
//! ```
//!
//! `at` is nanoseconds since the run's start, by one monotonic clock. What a client does is recorded before it
//! is done, what it learns after it has been learned: so "recorded before" means "happened before". A *client*
//! is a device of a user, and its *epochs* are its connections, counted from 1.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use starling_protocol::{Body, ClientId, ConversationId, ErrorCode, InviteId, Seq, UserId};

use crate::Digest;

/// A client's name: `u12`, or `u12/phone` for one of several devices of a user.
pub type ClientName = Arc<str>;

/// A line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Nanoseconds since the run's start.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
///
/// `connected` to `disconnected` is what passed on the wire, below whatever the client library does about
/// doubles and gaps; `invoke` to `info` is what the application asked for and was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A node has taken the connection.
    Connected {
        /// Whose connection.
        client: ClientName,
        /// The client's user.
        user: UserId,
        /// Which of its connections.
        epoch: u64,
        /// The node's name.
        node: Arc<str>,
    },
    /// The connection has ended.
    Disconnected {
        /// Whose connection.
        client: ClientName,
        /// Which of its connections.
        epoch: u64,
        /// The close code; 1006 where there was none.
        code: u16,
    },
    /// A send goes out, for the first time or again. Edits, deletions, reactions, and what governs a conversation, are
    /// sends, too, if they have a key.
    Sent {
        /// By whom.
        client: ClientName,
        /// On which of its connections.
        epoch: u64,
        /// The frame's id.
        frame: u64,
        /// Where to.
        conversation: ConversationId,
        /// The idempotency key.
        client_id: ClientId,
        /// Whether it says that it was sent before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        retry: bool,
    },
    /// A send's reply has come: a seq, or an error's code.
    Answered {
        /// To whom.
        client: ClientName,
        /// On which of its connections.
        epoch: u64,
        /// The send's frame.
        frame: u64,
        /// Where it is stored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<Seq>,
        /// Why it is not, or may not be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<ErrorCode>,
    },
    /// A mark was acknowledged.
    Marked {
        /// Whose.
        client: ClientName,
        /// On which of its connections.
        epoch: u64,
        /// In which conversation.
        conversation: ConversationId,
        /// Up to where.
        seq: Seq,
        /// Whether it says that it is read, and not only delivered.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        read: bool,
    },
    /// Members' marks have come.
    Receipts {
        /// To whom.
        client: ClientName,
        /// On which of its connections.
        epoch: u64,
        /// Of which conversation.
        conversation: ConversationId,
        /// The marks, by member.
        members: Vec<Marks>,
    },
    /// A `sync` goes out.
    Sync {
        /// By whom.
        client: ClientName,
        /// On which of its connections.
        epoch: u64,
        /// The cursors that it names.
        cursors: BTreeMap<ConversationId, Seq>,
    },
    /// The last `sync` is answered: all streams are live.
    Synced {
        /// To whom.
        client: ClientName,
        /// On which of its connections.
        epoch: u64,
        /// Cursors that were not followed.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        refused: BTreeMap<ConversationId, ErrorCode>,
    },
    /// A stream starts: its next entry is `cursor` + 1.
    Stream {
        /// To whom.
        client: ClientName,
        /// On which of its connections.
        epoch: u64,
        /// Of which conversation.
        conversation: ConversationId,
        /// After which seq.
        cursor: Seq,
    },
    /// An entry has come.
    Entry {
        /// To whom.
        client: ClientName,
        /// On which of its connections.
        epoch: u64,
        /// Of which conversation.
        conversation: ConversationId,
        /// Its place.
        seq: Seq,
        /// Who made it, unless the system did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sender: Option<UserId>,
        /// The idempotency key, unless the system made it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<ClientId>,
        /// What it says.
        kind: EntryKind,
        /// How it came.
        via: Via,
        /// A short hash of the whole of it.
        digest: Digest,
    },
    /// The application asks for something.
    Invoke {
        /// Of which client.
        client: ClientName,
        /// A number that the outcome refers to, unique for the client.
        op: u64,
        /// What it asks for.
        call: Call,
    },
    /// It is done.
    Ok {
        /// Of which client.
        client: ClientName,
        /// Which of its calls.
        op: u64,
        /// Where it is stored, for what is stored in a log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<Seq>,
    },
    /// It is refused: it was not done, and will not be.
    Fail {
        /// Of which client.
        client: ClientName,
        /// Which of its calls.
        op: u64,
        /// Why.
        code: ErrorCode,
    },
    /// Whether it is done is not known.
    Info {
        /// Of which client.
        client: ClientName,
        /// Which of its calls.
        op: u64,
        /// Why not.
        reason: Arc<str>,
    },
    /// A fault begins or ends.
    Fault {
        /// Which, by the name of its kind.
        name: Arc<str>,
        /// Whether it begins or ends.
        phase: Phase,
        /// How often it struck, as far as that is known now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strikes: Option<u64>,
        /// What exactly was done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<Arc<str>>,
    },
    /// All faults are over.
    Healed {},
    /// The client is connected at the end, and stands here.
    Finished {
        /// Which.
        client: ClientName,
        /// For each of its conversations the seq of the last entry that it has.
        cursors: BTreeMap<ConversationId, Seq>,
    },
}

/// A member's marks, as they are told to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks(
    /// Whose.
    pub UserId,
    /// Delivered up to here.
    pub Seq,
    /// Read up to here.
    pub Seq,
);

/// What an application asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Say something, alter what was said, or govern the conversation: whatever has a key.
    Send {
        /// Where.
        conversation: ConversationId,
        /// The idempotency key.
        client_id: ClientId,
    },
    /// Become a member.
    Join {
        /// Of which conversation.
        conversation: ConversationId,
    },
    /// Become a member by an invite.
    Accept {
        /// Of which conversation.
        conversation: ConversationId,
    },
    /// End an invite.
    Revoke {
        /// Of which conversation.
        conversation: ConversationId,
        /// Which.
        invite: InviteId,
    },
    /// Be a member no longer.
    Leave {
        /// Of which conversation.
        conversation: ConversationId,
    },
    /// Make others members.
    Add {
        /// Of which conversation.
        conversation: ConversationId,
        /// Whom.
        users: Vec<UserId>,
    },
    /// End another's membership.
    Remove {
        /// Of which conversation.
        conversation: ConversationId,
        /// Whose.
        user: UserId,
    },
    /// Make a conversation.
    Create {
        /// The idempotency key, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<ClientId>,
    },
    /// Read a page of history.
    Read {
        /// Of which conversation.
        conversation: ConversationId,
    },
    /// Mark as delivered.
    Delivered {
        /// In which conversation.
        conversation: ConversationId,
        /// Up to where.
        seq: Seq,
    },
    /// Mark as read.
    MarkRead {
        /// In which conversation.
        conversation: ConversationId,
        /// Up to where.
        seq: Seq,
    },
}

/// What an entry says, without the details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// The conversation exists.
    Created,
    /// The sender said something.
    Message,
    /// A message was edited or deleted, or reacted to.
    Altered,
    /// Somebody is a member from here on.
    Joined,
    /// Somebody is no member from here on.
    Left,
    /// Somebody's rights, or what the conversation is called, or who may join it, are others from here on.
    Governed,
    /// A hole was sealed.
    Void,
}

impl From<&Body> for EntryKind {
    fn from(body: &Body) -> Self {
        match body {
            Body::Created { .. } => Self::Created,
            Body::Message(_) => Self::Message,
            Body::Edited { .. } | Body::Deleted { .. } | Body::Reacted { .. } => Self::Altered,
            Body::Joined { .. } => Self::Joined,
            Body::Left { .. } | Body::Banned { removed: true, .. } | Body::Dissolved {} => Self::Left,
            Body::RoleChanged { .. }
            | Body::Banned { .. }
            | Body::Unbanned { .. }
            | Body::Muted { .. }
            | Body::Unmuted { .. }
            | Body::Updated(_)
            | Body::Invited { .. }
            | Body::Revoked { .. } => Self::Governed,
            Body::Void {} => Self::Void,
        }
    }
}

/// How an entry came to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// In a stream, with no `sync` under way.
    Live,
    /// In a stream, before the `synced` of the `sync` that is under way.
    Sync,
    /// In a page of history: outside of the streams, and of their rules.
    History,
}

/// Whether a fault begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It begins.
    Start,
    /// It ends.
    Stop,
}

/// By hand, since serde's `flatten` would copy each line into a tree first: a history has millions.
impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Line;
        impl<'de> Visitor<'de> for Line {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map with `at` and then what happened")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                if map.next_key::<std::borrow::Cow<'de, str>>()?.as_deref() != Some("at") {
                    return Err(A::Error::custom("a record begins with `at`"));
                }
                let at = map.next_value()?;
                let what = What::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Record { at, what })
            }
        }
        deserializer.deserialize_map(Line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_as_they_are_written() {
        for line in [
            r#"{"at":1,"connected":{"client":"u1","user":"u1","epoch":1,"node":"node-1"}}"#,
            r#"{"at":2,"sync":{"client":"u1","epoch":1,"cursors":{"c":4}}}"#,
            r#"{"at":3,"stream":{"client":"u1","epoch":1,"conversation":"c","cursor":4}}"#,
            r#"{"at":4,"entry":{"client":"u1","epoch":1,"conversation":"c","seq":5,"kind":"void","via":"sync","digest":"0123456789abcdef"}}"#,
            r#"{"at":5,"synced":{"client":"u1","epoch":1,"refused":{"d":"not_a_member"}}}"#,
            r#"{"at":6,"invoke":{"client":"u1","op":1,"call":{"send":{"conversation":"c","client_id":"x"}}}}"#,
            r#"{"at":7,"sent":{"client":"u1","epoch":1,"frame":9,"conversation":"c","client_id":"x","retry":true}}"#,
            r#"{"at":8,"answered":{"client":"u1","epoch":1,"frame":9,"code":"unknown"}}"#,
            r#"{"at":9,"marked":{"client":"u1","epoch":1,"conversation":"c","seq":5}}"#,
            r#"{"at":9,"marked":{"client":"u1","epoch":1,"conversation":"c","seq":5,"read":true}}"#,
            r#"{"at":9,"receipts":{"client":"u1","epoch":1,"conversation":"c","members":[["u2",5,4]]}}"#,
            r#"{"at":9,"invoke":{"client":"u1","op":2,"call":{"mark_read":{"conversation":"c","seq":5}}}}"#,
            r#"{"at":9,"info":{"client":"u1","op":1,"reason":"deadline"}}"#,
            r#"{"at":10,"fault":{"name":"kill","phase":"stop","strikes":3}}"#,
            r#"{"at":11,"healed":{}}"#,
            r#"{"at":12,"finished":{"client":"u1","cursors":{"c":5}}}"#,
        ] {
            let record: Record = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(serde_json::to_string(&record).unwrap(), line);
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "{}",
            r#"{"at":1}"#,
            r#"{"healed":{},"at":1}"#,
            r#"{"at":1,"healed":{},"more":1}"#,
            r#"{"at":1,"unheard_of":{}}"#,
            r#"{"at":-1,"healed":{}}"#,
        ] {
            assert!(serde_json::from_str::<Record>(line).is_err(), "{line}");
        }
    }
}
