//! A conversation's state at its head: what the next entry is checked against and built on.

use std::sync::Arc;

use starling_protocol::{Body, ConversationId, Entry, HeadMark, InviteId, Kind, Profile, Role, Seq, UserId};

use crate::chance::{HashMap, HashSet};
use crate::ports::{FOR_EVER, Ports, Unavailable};

/// How many entries one read of the log brings.
pub(crate) const PAGE: usize = 500;

/// The state after the entry at `mark`. Folding entries in order keeps it there.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) mark: HeadMark,
    /// The entry at `mark`, once there is one.
    pub(crate) head: Option<Arc<Entry>>,
    pub(crate) kind: Kind,
    /// Whether the conversation is deleted for all.
    pub(crate) dissolved: bool,
    pub(crate) profile: Profile,
    pub(crate) members: HashMap<UserId, Membership>,
    pub(crate) banned: HashSet<UserId>,
    /// Until when, also of those whose time is over.
    pub(crate) muted: HashMap<UserId, i64>,
    /// Those that are not revoked.
    pub(crate) invites: HashMap<InviteId, Invite>,
}

/// An invite that was not revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invite {
    pub(crate) expires_at: Option<i64>,
    pub(crate) max_uses: Option<u32>,
    pub(crate) uses: u32,
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
            dissolved: false,
            profile: Profile::default(),
            members: HashMap::default(),
            banned: HashSet::default(),
            muted: HashMap::default(),
            invites: HashMap::default(),
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
        self.fold_governance(entry);
    }

    /// Takes in what an entry changes besides members.
    fn fold_governance(&mut self, entry: &Entry) {
        match &entry.body {
            Body::Created {
                kind,
                name,
                description,
                avatar_url,
                open,
                ..
            } => {
                self.kind = *kind;
                self.profile = Profile {
                    name: name.clone(),
                    description: description.clone(),
                    avatar_url: avatar_url.clone(),
                    open: *open,
                };
            }
            Body::Updated(profile) => self.profile = profile.as_ref().clone(),
            Body::Banned { user, .. } => {
                self.banned.insert(user.clone());
            }
            Body::Unbanned { user } => {
                self.banned.remove(user);
            }
            Body::Muted { user, until } => {
                self.muted.insert(user.clone(), until.unwrap_or(FOR_EVER));
            }
            Body::Unmuted { user } => {
                self.muted.remove(user);
            }
            Body::Invited {
                invite,
                expires_at,
                max_uses,
            } => {
                // Uses that the directory has taken in already stay counted.
                self.invites.entry(invite.clone()).or_insert(Invite {
                    expires_at: *expires_at,
                    max_uses: *max_uses,
                    uses: 0,
                });
            }
            Body::Joined {
                invite: Some(used), ..
            } => {
                if let Some(invite) = self.invites.get_mut(&used.id) {
                    invite.uses = invite.uses.max(used.uses);
                }
            }
            Body::Revoked { invite } => {
                self.invites.remove(invite);
            }
            _ => {}
        }
        self.dissolved |= entry.body == Body::Dissolved {};
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
            // The state of a later head proves nothing about this one.
            let of_this_head = |changed: Seq| {
                let moved_on = || Unavailable::new("store", "the log has moved on meanwhile");
                if changed > head.seq {
                    Err(moved_on())
                } else {
                    Ok(())
                }
            };
            of_this_head(record.updated)?;
            state.kind = record.kind;
            state.profile = record.profile();
            state.load_governance(ports, id, of_this_head).await?;
            for member in ports.directory.members(id).await? {
                of_this_head(member.changed.max(member.role_changed))?;
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
            state.dissolved |= entry.body == Body::Dissolved {};
            state.fold_governance(&entry);
            fold_members_guarded(&mut state.members, &entry, |user| {
                guards.get(user).is_none_or(|changed| *changed < entry.seq)
            });
        }
        Ok((state, applied))
    }

    /// Reads what the directory has of bans, mutes and invites; entries that follow say what has become of them.
    async fn load_governance(
        &mut self,
        ports: &Ports,
        id: &ConversationId,
        of_this_head: impl Fn(Seq) -> Result<(), Unavailable>,
    ) -> Result<(), Unavailable> {
        if self.kind == Kind::Direct {
            // It has none.
            return Ok(());
        }
        let directory = &ports.directory;
        let (sanctions, invites) =
            futures::future::try_join(directory.sanctions(id), directory.invites(id)).await?;
        for sanction in sanctions {
            of_this_head(sanction.changed)?;
            if sanction.banned {
                self.banned.insert(sanction.user.clone());
            }
            if let Some(until) = sanction.muted_until {
                self.muted.insert(sanction.user, until);
            }
        }
        for invite in invites {
            of_this_head(invite.changed)?;
            let loaded = Invite {
                expires_at: invite.expires_at,
                max_uses: invite.max_uses,
                uses: invite.uses,
            };
            self.invites.insert(invite.id, loaded);
        }
        Ok(())
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
        Body::Joined { users, role, .. } => {
            for user in users.iter().filter(|user| is_news(user)) {
                members.insert(user.clone(), Membership { role: *role, since });
            }
        }
        Body::Dissolved {} => members.retain(|user, _| !is_news(user)),
        // Also where the directory has it already: every later change follows. But not of an earlier membership: that
        // which follows it is in the directory, and is not folded again.
        Body::RoleChanged { user, role } if is_news(user) => {
            if let Some(member) = members.get_mut(user) {
                member.role = *role;
            }
        }
        body => {
            if let Some(user) = body.ends_membership().filter(|user| is_news(user)) {
                members.remove(user);
            }
        }
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

#[cfg(test)]
mod tests {
    use starling_protocol::{ClientId, Member};

    use super::*;
    use crate::memory::{self, MemoryCoordination, MemoryStore};
    use crate::ports::{Directory, EntryLog};
    use crate::sequencer::effects::effects;

    #[tokio::test(start_paused = true)]
    async fn a_role_does_not_outlast_its_membership_where_the_directory_is_ahead_of_its_mark() {
        let user = |name: &str| UserId::new(name).unwrap();
        let member = |name: &str, role| Member {
            user: user(name),
            role,
        };
        let bodies = [
            Body::Created {
                kind: Kind::Group,
                name: None,
                description: None,
                avatar_url: None,
                open: true,
                members: vec![member("ann", Role::Admin), member("bob", Role::Member)],
            },
            Body::RoleChanged {
                user: user("bob"),
                role: Role::Moderator,
            },
            Body::Left { user: user("bob") },
            Body::Joined {
                users: vec![user("bob")],
                role: Role::Member,
                invite: None,
            },
        ];
        let log: Vec<_> = (1..)
            .zip(bodies)
            .map(|(seq, body)| {
                Arc::new(Entry {
                    conversation: ConversationId::new("c").unwrap(),
                    seq,
                    sender: Some(user("ann")),
                    client_id: ClientId::new(format!("k{seq}")).ok(),
                    lamport: seq,
                    at: 0,
                    messages: 0,
                    membership: seq,
                    body,
                    state: None,
                })
            })
            .collect();
        let store = MemoryStore::new();
        let ports = memory::ports(&store, &MemoryCoordination::new());
        store.insert(&log).await.unwrap();
        // All of it is applied, and none of it is marked as such: as after a crash.
        store.apply(&effects(&log)).await.unwrap();
        let (state, applied) = State::load(&ports, &log[3]).await.unwrap();
        assert_eq!(applied, 0);
        let bob = Membership {
            role: Role::Member,
            since: 4,
        };
        assert_eq!(state.members.get(&user("bob")), Some(&bob));
    }
}
