//! Who a user is to a conversation, exactly as of its head, and the conversation as he sees it.

use std::collections::HashMap;
use std::sync::Arc;

use starling_protocol::{
    Body, ConversationId, ConversationSummary, Entry, Error, ErrorCode, Member, Role, Seq, UserId,
};

use crate::ports::{ConversationRecord, MemberRecord, MessageRange, Ports, RangeEnd, Unavailable};
use crate::sequencer::{deleted, read_range, record_of};

/// So far before a head its log's last message is looked for at once.
const LOOKED_BACK: Seq = 8;
/// Searches for last messages that are under way at a time.
const SEARCHES: usize = 8;

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
    look_as(ports, id, Some(user)).await
}

/// Looks at an open conversation as a stranger who could join it.
///
/// # Errors
/// `forbidden` where nobody may join by himself; `unknown_conversation`, `unavailable`.
pub(crate) async fn look_in(ports: &Ports, id: &ConversationId) -> Result<Seen, Error> {
    let seen = look_as(ports, id, None).await?;
    if seen.record.open {
        Ok(seen)
    } else {
        Err(Error::new(ErrorCode::Forbidden, "the conversation is not open"))
    }
}

async fn look_as(ports: &Ports, id: &ConversationId, user: Option<&UserId>) -> Result<Seen, Error> {
    let head = ports.log.head(id).await?.ok_or_else(unknown_conversation)?;
    let record = ports.directory.conversation(id).await?;
    let member = match user {
        Some(user) => ports.directory.member(id, user).await?,
        None => None,
    };
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
            if let Some(user) = user.filter(|_| entry.seq > changed) {
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
    /// Seq of the last change of who is a member, or of what one may do.
    pub(crate) membership: Seq,
}

/// What a user's memberships look like, conversations whose log cannot be found left out. Three queries,
/// however many there are, and what [`last_messages`] takes.
pub(crate) async fn list(ports: &Ports, memberships: &[MemberRecord]) -> Result<Vec<Listed>, Unavailable> {
    let ids: Vec<_> = memberships
        .iter()
        .map(|member| member.conversation.clone())
        .collect();
    let (records, heads, messages) = futures::future::try_join3(
        ports.directory.conversations(&ids),
        ports.log.heads(&ids),
        read_counts(ports, memberships),
    )
    .await?;
    let mut records: HashMap<_, _> = records
        .into_iter()
        .map(|record| (record.id.clone(), record))
        .collect();
    let mut last = last_messages(ports, &heads).await?;
    let mut heads: HashMap<_, _> = heads
        .into_iter()
        .map(|head| (head.conversation.clone(), head))
        .collect();
    let listed = memberships.iter().filter_map(|member| {
        let record = records.remove(&member.conversation)?;
        let head = heads.remove(&member.conversation)?;
        if head.body == (Body::Dissolved {}) {
            return None;
        }
        let seen = messages.get(&member.conversation).copied().unwrap_or(0);
        let last = last.remove(&member.conversation);
        Some(Listed {
            summary: summary(&record, member.role, member.into(), &head, last, seen),
            changed: member.changed,
            membership: head.membership,
        })
    });
    Ok(listed.collect())
}

/// What a member's conversation holds.
pub(crate) struct Held {
    pub(crate) conversation: ConversationId,
    pub(crate) messages: u64,
    /// Messages after his read mark.
    pub(crate) unread: u64,
}

/// What a user's memberships amount to, conversations whose log cannot be found left out. Two queries, however many
/// there are.
pub(crate) async fn count(ports: &Ports, memberships: &[MemberRecord]) -> Result<Vec<Held>, Unavailable> {
    let ids: Vec<_> = memberships
        .iter()
        .map(|member| member.conversation.clone())
        .collect();
    let (heads, read) =
        futures::future::try_join(ports.log.heads(&ids), read_counts(ports, memberships)).await?;
    let held = heads
        .into_iter()
        .filter(|head| head.body != Body::Dissolved {})
        .map(|head| Held {
            conversation: head.conversation.clone(),
            messages: head.messages,
            unread: head
                .messages
                .saturating_sub(read.get(&head.conversation).copied().unwrap_or(0)),
        });
    Ok(held.collect())
}

/// For each conversation the count of messages at the member's read mark.
async fn read_counts(
    ports: &Ports,
    memberships: &[MemberRecord],
) -> Result<HashMap<ConversationId, u64>, Unavailable> {
    let places: Vec<_> = memberships
        .iter()
        .filter(|member| member.read > 0)
        .map(|member| (member.conversation.clone(), member.read))
        .collect();
    let read = ports.log.at(&places).await?;
    Ok(read
        .into_iter()
        .map(|entry| (entry.conversation.clone(), entry.messages))
        .collect())
}

/// The last messages of the logs with these heads, by conversation; those in which nothing was said are left out.
///
/// Most often the head is it. Otherwise it stands right before the head, mostly, so that is looked up in one query for
/// all of them; what is left is searched for, log by log.
async fn last_messages(
    ports: &Ports,
    heads: &[Arc<Entry>],
) -> Result<HashMap<ConversationId, Arc<Entry>>, Unavailable> {
    let (found, others): (Vec<_>, Vec<_>) = heads
        .iter()
        .filter(|head| head.messages > 0)
        .cloned()
        .partition(|head| head.body.is_message());
    let mut last: HashMap<_, _> = by_conversation(found).collect();
    let mut places = Vec::new();
    for head in &others {
        let near = head.seq.saturating_sub(LOOKED_BACK).max(1)..head.seq;
        places.extend(near.map(|seq| (head.conversation.clone(), seq)));
    }
    if places.is_empty() {
        return Ok(last);
    }
    let mut found = ports.log.at(&places).await?;
    found.retain(|entry| entry.body.is_message());
    // Of several in one log the last one stays.
    found.sort_unstable_by_key(|entry| entry.seq);
    last.extend(by_conversation(found));
    let left: Vec<_> = others
        .into_iter()
        .filter(|head| !last.contains_key(&head.conversation))
        .collect();
    for some in left.chunks(SEARCHES) {
        let searches: Vec<_> = some.iter().map(|head| search_last(ports, head)).collect();
        let found = futures::future::try_join_all(searches).await?;
        last.extend(by_conversation(found.into_iter().flatten()));
    }
    Ok(last)
}

fn by_conversation(
    entries: impl IntoIterator<Item = Arc<Entry>>,
) -> impl Iterator<Item = (ConversationId, Arc<Entry>)> {
    entries
        .into_iter()
        .map(|entry| (entry.conversation.clone(), entry))
}

async fn search_last(ports: &Ports, head: &Entry) -> Result<Option<Arc<Entry>>, Unavailable> {
    let number = MessageRange {
        after: head.messages - 1,
        to: head.messages,
        sender: None,
        end: RangeEnd::Highest,
        skip: 0,
    };
    Ok(ports.log.messages(&head.conversation, &number, 1).await?.pop())
}

/// A conversation as a member sees it; `seen` is the count of messages at his read mark.
fn summary(
    record: &ConversationRecord,
    role: Role,
    marks: MemberMarks,
    head: &Entry,
    last: Option<Arc<Entry>>,
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
        last,
    }
}

/// One conversation as a user sees it.
pub(crate) async fn summary_of(ports: &Ports, seen: Seen) -> Result<ConversationSummary, Error> {
    let Standing::Member { role, marks, .. } = seen.standing else {
        return Err(not_a_member());
    };
    let place = [(seen.record.id.clone(), marks.read)];
    let messages = async {
        match marks.read {
            0 => Ok(0),
            _ => {
                let found = ports.log.at(&place).await?;
                Ok(found.first().map_or(0, |entry| entry.messages))
            }
        }
    };
    let last = last_messages(ports, std::slice::from_ref(&seen.head));
    let (messages, mut last) = futures::future::try_join(messages, last).await?;
    let last = last.remove(&seen.record.id);
    Ok(summary(&seen.record, role, marks, &seen.head, last, messages))
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
