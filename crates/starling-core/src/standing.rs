//! Who a user is to a conversation, exactly as of its head, and the conversation as he sees it.

use std::collections::HashMap;
use std::sync::Arc;

use starling_protocol::{
    Body, ConversationId, ConversationSummary, Entry, Error, ErrorCode, Member, Role, Seq, UserId,
};

use crate::ports::{ConversationRecord, MemberRecord, Ports, Unavailable};
use crate::sequencer::{deleted, read_range};

/// A user's relation to a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Member {
        role: Role,
        marks: MemberMarks,
        /// Seq of the entry that began the membership.
        since: Seq,
    },
    /// May read up to the entry that ended the membership.
    Former {
        left: Seq,
    },
    Stranger,
}

/// How far a member has a log, and how far he has read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemberMarks {
    pub(crate) delivered: Seq,
    pub(crate) read: Seq,
    /// See [`MemberRecord::hidden`].
    pub(crate) hidden: Option<u64>,
}

impl From<&MemberRecord> for MemberMarks {
    fn from(member: &MemberRecord) -> Self {
        Self {
            delivered: member.delivered,
            read: member.read,
            hidden: member.hidden,
        }
    }
}

/// A conversation's head with a user's standing there.
pub(crate) struct Seen {
    pub(crate) head: Arc<Entry>,
    pub(crate) record: ConversationRecord,
    pub(crate) standing: Standing,
}

impl From<Unavailable> for Error {
    fn from(unavailable: Unavailable) -> Self {
        tracing::debug!(%unavailable, "refused for now");
        Self::new(
            ErrorCode::Unavailable,
            format!("the {} cannot be reached now", unavailable.service),
        )
    }
}

pub(crate) fn unknown_conversation() -> Error {
    Error::new(ErrorCode::UnknownConversation, "there is no such conversation")
}

pub(crate) fn not_a_member() -> Error {
    Error::new(ErrorCode::NotAMember, "you are not a member of the conversation")
}

/// Looks a user up. The head is read before the directory, and changes of membership that the directory has
/// not taken in are taken from the log, so the answer is never older than the head.
pub(crate) async fn look(ports: &Ports, id: &ConversationId, user: &UserId) -> Result<Seen, Error> {
    let head = ports.log.head(id).await?.ok_or_else(unknown_conversation)?;
    let record = ports.directory.conversation(id).await?;
    let member = ports.directory.member(id, user).await?;
    let applied = record.as_ref().map_or(0, |record| record.applied);
    let (mut standing, changed) = match member {
        Some(member) => (standing_of(&member), member.changed),
        None => (Standing::Stranger, 0),
    };
    // Nothing follows what deletes a conversation.
    if head.body == (Body::Dissolved {}) {
        return Err(deleted());
    }
    let mut record = record;
    if head.membership > applied {
        for entry in read_range(ports, id, applied, head.membership).await? {
            if let (1, None, Some(first)) = (entry.seq, &record, record_of(&entry)) {
                record = Some(first);
            }
            if let (Some(record), Body::Updated(profile)) = (&mut record, &entry.body)
                && entry.seq > record.updated
            {
                let profile = profile.clone();
                (record.name, record.description) = (profile.name, profile.description);
                (record.avatar_url, record.open) = (profile.avatar_url, profile.open);
            }
            if entry.seq > changed {
                fold(&mut standing, &entry, user);
            }
        }
    }
    Ok(Seen {
        record: record.ok_or_else(unknown_conversation)?,
        head,
        standing,
    })
}

fn standing_of(member: &MemberRecord) -> Standing {
    match member.left {
        None => Standing::Member {
            role: member.role,
            marks: member.into(),
            since: member.changed,
        },
        Some(left) => Standing::Former { left },
    }
}

fn record_of(entry: &Entry) -> Option<ConversationRecord> {
    let (Body::Created { kind, name, open, .. }, Some(sender)) = (&entry.body, &entry.sender) else {
        return None;
    };
    Some(ConversationRecord {
        id: entry.conversation.clone(),
        kind: *kind,
        name: name.clone(),
        description: None,
        avatar_url: None,
        open: *open,
        updated: entry.seq,
        created_by: sender.clone(),
        created_at: entry.at,
        applied: 0,
        dissolved: None,
    })
}

fn fold(standing: &mut Standing, entry: &Entry, user: &UserId) {
    let role = match &entry.body {
        Body::Created { members, .. } => members
            .iter()
            .find(|member| member.user == *user)
            .map(|member| member.role),
        Body::Joined { users, role, .. } if users.contains(user) => Some(*role),
        Body::RoleChanged {
            user: changed,
            role: to,
        } if changed == user => {
            if let Standing::Member { role, .. } = standing {
                *role = *to;
            }
            None
        }
        body if body.ends_membership() == Some(user) => {
            *standing = Standing::Former { left: entry.seq };
            None
        }
        _ => None,
    };
    if let Some(role) = role {
        *standing = Standing::Member {
            role,
            marks: MemberMarks {
                delivered: entry.seq - 1,
                read: entry.seq - 1,
                hidden: None,
            },
            since: entry.seq,
        };
    }
}

/// One conversation of a user's list.
pub(crate) struct Listed {
    pub(crate) summary: ConversationSummary,
    /// Seq of the entry that made the user a member, or changed the membership last.
    pub(crate) changed: Seq,
}

/// What a user's memberships look like, conversations whose log cannot be found left out. Three queries,
/// however many there are.
pub(crate) async fn list(ports: &Ports, memberships: &[MemberRecord]) -> Result<Vec<Listed>, Unavailable> {
    let ids: Vec<_> = memberships
        .iter()
        .map(|member| member.conversation.clone())
        .collect();
    let places: Vec<_> = memberships
        .iter()
        .filter(|member| member.read > 0)
        .map(|member| (member.conversation.clone(), member.read))
        .collect();
    let (records, heads, read) = futures::future::try_join3(
        ports.directory.conversations(&ids),
        ports.log.heads(&ids),
        ports.log.at(&places),
    )
    .await?;
    let mut records: HashMap<_, _> = records
        .into_iter()
        .map(|record| (record.id.clone(), record))
        .collect();
    let mut heads: HashMap<_, _> = heads
        .into_iter()
        .map(|head| (head.conversation.clone(), head))
        .collect();
    let messages: HashMap<_, _> = read
        .into_iter()
        .map(|entry| (entry.conversation.clone(), entry.messages))
        .collect();
    let listed = memberships.iter().filter_map(|member| {
        let record = records.remove(&member.conversation)?;
        let head = heads.remove(&member.conversation)?;
        if head.body == (Body::Dissolved {}) {
            return None;
        }
        let seen = messages.get(&member.conversation).copied().unwrap_or(0);
        Some(Listed {
            summary: summary(&record, member.role, member.into(), head, seen),
            changed: member.changed,
        })
    });
    Ok(listed.collect())
}

/// A conversation as a member sees it; `seen` is the count of messages at his read mark.
pub(crate) fn summary(
    record: &ConversationRecord,
    role: Role,
    marks: MemberMarks,
    head: Arc<Entry>,
    seen: u64,
) -> ConversationSummary {
    ConversationSummary {
        id: record.id.clone(),
        kind: record.kind,
        name: record.name.clone(),
        description: record.description.clone(),
        avatar_url: record.avatar_url.clone(),
        open: record.open,
        role,
        head: head.seq,
        delivered: marks.delivered,
        read: marks.read,
        unread: head.messages.saturating_sub(seen),
        hidden: marks.hidden.is_some_and(|hidden| head.messages <= hidden),
        last: Some(head),
    }
}

/// One conversation as a user sees it.
pub(crate) async fn summary_of(ports: &Ports, seen: Seen) -> Result<ConversationSummary, Error> {
    let Standing::Member { role, marks, .. } = seen.standing else {
        return Err(not_a_member());
    };
    let place = [(seen.record.id.clone(), marks.read)];
    let messages = match marks.read {
        0 => 0,
        _ => ports
            .log
            .at(&place)
            .await?
            .first()
            .map_or(0, |entry| entry.messages),
    };
    Ok(summary(&seen.record, role, marks, seen.head, messages))
}

/// The members of a conversation.
pub(crate) async fn members(ports: &Ports, id: &ConversationId) -> Result<Vec<Member>, Error> {
    let records = ports.directory.members(id).await?;
    Ok(records
        .into_iter()
        .filter(|member| member.left.is_none())
        .map(|member| Member {
            user: member.user,
            role: member.role,
        })
        .collect())
}

/// The id of the one direct conversation of two people, whoever opens it.
pub(crate) fn direct_id(a: &UserId, b: &UserId) -> ConversationId {
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    derived_id("d", first.as_str(), second.as_str())
}

/// Whether this is the id of a direct conversation.
pub(crate) fn is_direct(id: &ConversationId) -> bool {
    id.as_str().starts_with("d-")
}

/// Whether an id has the form of those that Starling gives by itself: a letter for the kind, a dash, and the rest.
pub(crate) fn is_derived(id: &ConversationId) -> bool {
    matches!(id.as_str().as_bytes(), [kind, b'-', ..] if kind.is_ascii_lowercase())
}

/// The id of the conversation that a creator's request made, however often it is sent.
pub(crate) fn group_id(creator: &UserId, client_id: &str) -> ConversationId {
    derived_id("g", creator.as_str(), client_id)
}

fn derived_id(prefix: &str, first: &str, second: &str) -> ConversationId {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    // Neither id holds control characters, so a NUL keeps them apart.
    for part in [prefix, "\0", first, "\0", second] {
        hash.update(part.as_bytes());
    }
    let digest = data_encoding::BASE32_NOPAD
        .encode(&hash.finalize()[..20])
        .to_ascii_lowercase();
    match ConversationId::new(format!("{prefix}-{digest}")) {
        Ok(id) => id,
        Err(_) => unreachable!("a prefix and base 32 are valid"),
    }
}
