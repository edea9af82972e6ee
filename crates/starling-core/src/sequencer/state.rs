//! A conversation's state at its head: what the next entry is checked against and built on.

use std::sync::Arc;

use starling_protocol::{Body, ConversationId, Entry, HeadMark, Kind, Role, Seq, UserId};

use crate::chance::HashMap;
use crate::ports::{Ports, Unavailable};

/// How many entries one read of the log brings.
pub(crate) const PAGE: usize = 500;

/// The state after the entry at `mark`. Folding entries in order keeps it there.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) mark: HeadMark,
    /// The entry at `mark`, once there is one.
    pub(crate) head: Option<Arc<Entry>>,
    pub(crate) kind: Kind,
    pub(crate) open: bool,
    pub(crate) members: HashMap<UserId, Membership>,
}

/// A present member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) role: Role,
    /// Seq of the entry that began it.
    pub(crate) since: Seq,
}

impl State {
    /// The state of a log before its first entry.
    pub(crate) fn empty() -> Self {
        Self {
            mark: HeadMark::default(),
            head: None,
            kind: Kind::Group,
            open: false,
            members: HashMap::default(),
        }
    }

    pub(crate) fn exists(&self) -> bool {
        self.mark.seq > 0
    }

    /// Seq of the entry that began a user's membership; 0 for those who are none.
    pub(crate) fn since(&self, user: &UserId) -> Seq {
        self.members.get(user).map_or(0, |member| member.since)
    }

    /// Takes the next entry in.
    pub(crate) fn fold(&mut self, entry: &Arc<Entry>) {
        debug_assert_eq!(entry.seq, self.mark.seq + 1, "I6: the log is contiguous");
        self.mark = entry.mark();
        self.head = Some(entry.clone());
        fold_members(&mut self.members, entry);
        if let Body::Created { kind, open, .. } = &entry.body {
            (self.kind, self.open) = (*kind, *open);
        }
    }

    /// Reads the state as of `head`: the directory, and what it has not taken in yet from the log. Also says up
    /// to where the directory was.
    pub(crate) async fn load(ports: &Ports, head: &Arc<Entry>) -> Result<(Self, Seq), Unavailable> {
        let id = &head.conversation;
        let record = ports.directory.conversation(id).await?;
        let applied = record.as_ref().map_or(0, |record| record.applied);
        let mut state = Self {
            mark: head.mark(),
            head: Some(head.clone()),
            ..Self::empty()
        };
        let mut guards = HashMap::default();
        if let Some(record) = record {
            (state.kind, state.open) = (record.kind, record.open);
            for member in ports.directory.members(id).await? {
                if member.changed > head.seq {
                    // This is the state of a later head, and proves nothing about this one.
                    return Err(Unavailable::new("store", "the log has moved on meanwhile"));
                }
                guards.insert(member.user.clone(), member.changed);
                if member.left.is_none() {
                    let membership = Membership {
                        role: member.role,
                        since: member.changed,
                    };
                    state.members.insert(member.user, membership);
                }
            }
        }
        // The directory may be ahead of `applied` for single members; folding a change that is in it already
        // must not undo a later one.
        for entry in read_range(ports, id, applied, head.seq).await? {
            if let Body::Created { kind, open, .. } = &entry.body {
                (state.kind, state.open) = (*kind, *open);
            }
            fold_members_guarded(&mut state.members, &entry, |user| {
                guards.get(user).is_none_or(|changed| *changed < entry.seq)
            });
        }
        Ok((state, applied))
    }
}

fn fold_members(members: &mut HashMap<UserId, Membership>, entry: &Entry) {
    fold_members_guarded(members, entry, |_| true);
}

fn fold_members_guarded(
    members: &mut HashMap<UserId, Membership>,
    entry: &Entry,
    is_news: impl Fn(&UserId) -> bool,
) {
    let since = entry.seq;
    match &entry.body {
        Body::Created { members: first, .. } => {
            for member in first.iter().filter(|member| is_news(&member.user)) {
                let role = member.role;
                members.insert(member.user.clone(), Membership { role, since });
            }
        }
        Body::Joined { users, role } => {
            for user in users.iter().filter(|user| is_news(user)) {
                members.insert(user.clone(), Membership { role: *role, since });
            }
        }
        Body::Left { user } if is_news(user) => {
            members.remove(user);
        }
        _ => {}
    }
}

/// All entries with `after < seq <= to`, where `to` is known to be stored. A primary that was just elected may not
/// know yet that a majority has them all: what is missing then must not be taken for nothing.
pub(crate) async fn read_range(
    ports: &Ports,
    id: &ConversationId,
    mut after: Seq,
    to: Seq,
) -> Result<Vec<Arc<Entry>>, Unavailable> {
    let mut entries = Vec::new();
    while after < to {
        let page = ports.log.read(id, after, to, PAGE).await?;
        let Some(last) = page.last() else {
            return Err(Unavailable::new(
                "store",
                format!("{id} is not readable up to {to} yet"),
            ));
        };
        after = last.seq;
        entries.extend(page);
    }
    Ok(entries)
}
