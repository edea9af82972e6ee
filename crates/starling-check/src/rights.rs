//! Who may do what by a log: its fold, entry by entry, which is asked about each entry before it takes that in.
//!
//! An invite's expiry is not decided: a node judges by the time at which it judges, an entry bears a slightly later one.
//! That a mute has ended is, since there the later time is the one that must be past its end.

use std::collections::HashMap;

use starling_protocol::{Body, Entry, InviteId, InviteUse, Kind, MessageKind, Profile, Role, UserId};

use crate::logs::{Log, Stored};
use crate::store::Governance;

/// See the module.
#[derive(Default)]
pub(crate) struct Rights<'a> {
    direct: bool,
    /// The place of the entry that deleted the conversation for all.
    dissolved: Option<usize>,
    profile: Profile,
    members: HashMap<&'a UserId, Member>,
    admins: usize,
    /// The place of the entry that ended the last membership.
    former: HashMap<&'a UserId, usize>,
    banned: HashMap<&'a UserId, usize>,
    muted: HashMap<&'a UserId, Mute>,
    /// Those that were not revoked.
    invites: HashMap<&'a InviteId, Invite>,
}

/// Places are those of entries in the store's state.
struct Member {
    role: Role,
    /// What gave him the role.
    place: usize,
}

struct Mute {
    until: i64,
    place: usize,
}

struct Invite {
    max_uses: Option<u32>,
    uses: u32,
    place: usize,
}

/// Why an entry's sender could not make it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Objection {
    /// What the entry is: "a message by bob, who was muted then".
    pub(crate) says: String,
    /// The place of the entry from which that follows, if there is one.
    pub(crate) place: Option<usize>,
}

fn object<T>(says: impl Into<String>, place: Option<usize>) -> Result<T, Objection> {
    let says = says.into();
    Err(Objection { says, place })
}

/// The end of a mute that does not end by itself.
const FOR_EVER: i64 = i64::MAX;

impl<'a> Rights<'a> {
    /// Whether the next entry could be made by who has made it. `log` is its log.
    pub(crate) fn judge(&self, log: &Log<'_>, entry: &Entry) -> Result<(), Objection> {
        if matches!(entry.body, Body::Created { .. } | Body::Void {}) {
            return Ok(());
        }
        let what = name(entry);
        if self.dissolved.is_some() {
            return object(
                format!("{what} after the conversation was deleted"),
                self.dissolved,
            );
        }
        let Some(sender) = &entry.sender else {
            return match entry.body {
                Body::Message(_) => object("a message of nobody", None),
                _ => Ok(()),
            };
        };
        if self.direct && entry.body.changes_membership() {
            return object(format!("{what} in a direct conversation"), None);
        }
        if let Body::Joined { users, invite, .. } = &entry.body
            && users.contains(sender)
        {
            self.check_not_banned(&what, users)?;
            return self.check_entrance(&what, invite.as_ref());
        }
        let Some(Member { role, place }) = self.members.get(sender) else {
            let ended = self.former.get(sender).copied();
            return object(format!("{what} by {sender}, who was no member then"), ended);
        };
        let asker = Asker {
            what: &what,
            user: sender,
            role: *role,
            place: *place,
        };
        match &entry.body {
            Body::Message(content) => {
                self.check_voice(&asker, entry.at)?;
                if content.kind == MessageKind::System {
                    asker.is_at_least(Role::Moderator)?;
                }
            }
            Body::Edited { target, .. } | Body::Deleted { target } | Body::Reacted { target, .. } => {
                let message = log.slot(*target).first().map(|stored| stored.entry);
                let message = message.filter(|message| message.seq < entry.seq && message.body.is_message());
                let Some(message) = message else {
                    return object(format!("{what} of what is no message"), None);
                };
                let is_own = message.sender.as_ref() == Some(sender);
                match entry.body {
                    Body::Edited { .. } if !is_own => {
                        return object(format!("{what} by {sender}, whose message it is not"), None);
                    }
                    Body::Deleted { .. } if !is_own => asker.is_at_least(Role::Moderator)?,
                    Body::Deleted { .. } => {}
                    _ => self.check_voice(&asker, entry.at)?,
                }
            }
            Body::Joined { users, .. } => {
                asker.is_at_least(Role::Moderator)?;
                self.check_not_banned(&what, users)?;
            }
            Body::Left { user } if user == sender => self.check_an_admin_stays(&asker)?,
            Body::Left { user } => {
                let other = self.target(&asker, user)?;
                asker.is_at_least(if other.role > Role::Member {
                    Role::Admin
                } else {
                    Role::Moderator
                })?;
            }
            Body::Banned { user, removed } => {
                asker.is_at_least(Role::Moderator)?;
                let other = self.members.get(user);
                if *removed != other.is_some() {
                    return object(format!("{what} that is wrong about {user}'s membership"), None);
                }
                asker.is_above(user, other)?;
            }
            Body::Muted { user, .. } => {
                asker.is_at_least(Role::Moderator)?;
                let other = self.target(&asker, user)?;
                asker.is_above(user, Some(other))?;
            }
            Body::Unmuted { user } => {
                asker.is_at_least(Role::Moderator)?;
                let other = self.members.get(user).filter(|other| other.role > asker.role);
                if user == sender || other.is_some() {
                    let place = other.map(|other| other.place);
                    return object(
                        format!("{what} of {user} by {sender}, who may not help him"),
                        place,
                    );
                }
            }
            Body::RoleChanged { user, role } => {
                asker.is_at_least(Role::Admin)?;
                self.target(&asker, user)?;
                if user == sender && *role < Role::Admin {
                    self.check_an_admin_stays(&asker)?;
                }
            }
            Body::Unbanned { .. } | Body::Updated(_) | Body::Invited { .. } => {
                asker.is_at_least(Role::Moderator)?;
            }
            Body::Revoked { invite } => {
                asker.is_at_least(Role::Moderator)?;
                if !self.invites.contains_key(invite) {
                    return object(format!("{what} of an invite that there was not"), None);
                }
            }
            Body::Dissolved {} => asker.is_at_least(Role::Admin)?,
            Body::Created { .. } | Body::Void {} => {}
        }
        Ok(())
    }

    fn check_not_banned(&self, what: &str, users: &[UserId]) -> Result<(), Objection> {
        match users.iter().find_map(|user| Some((user, self.banned.get(user)?))) {
            Some((user, ban)) => object(format!("{what} of {user}, who was banned then"), Some(*ban)),
            None => Ok(()),
        }
    }

    /// Whether one who is no member may become one by himself.
    fn check_entrance(&self, what: &str, invite: Option<&InviteUse>) -> Result<(), Objection> {
        let Some(used) = invite else {
            return match self.profile.open {
                true => Ok(()),
                false => object(format!("{what} where the conversation was not open"), None),
            };
        };
        match self.invites.get(&used.id) {
            None => object(format!("{what} by an invite that there was not"), None),
            Some(invite) if Some(used.uses) != invite.uses.checked_add(1) => {
                let says = format!(
                    "{what} as use {} of an invite that had {}",
                    used.uses, invite.uses
                );
                object(says, Some(invite.place))
            }
            Some(invite) if invite.max_uses.is_some_and(|max| used.uses > max) => object(
                format!("{what} by an invite that was used up"),
                Some(invite.place),
            ),
            Some(_) => Ok(()),
        }
    }

    fn check_voice(&self, asker: &Asker<'_>, at: i64) -> Result<(), Objection> {
        match self.muted.get(asker.user).filter(|mute| at < mute.until) {
            Some(mute) => asker.object("muted", Some(mute.place)),
            None => Ok(()),
        }
    }

    fn check_an_admin_stays(&self, asker: &Asker<'_>) -> Result<(), Objection> {
        let is_last = asker.role == Role::Admin && self.admins == 1 && self.members.len() > 1;
        match is_last {
            true => asker.object("the last admin", Some(asker.place)),
            false => Ok(()),
        }
    }

    fn target(&self, asker: &Asker<'_>, user: &UserId) -> Result<&Member, Objection> {
        let says = || format!("{} of {user}, who was no member then", asker.what);
        self.members.get(user).ok_or_else(|| Objection {
            says: says(),
            place: self.former.get(user).copied(),
        })
    }

    /// Takes the next entry in.
    pub(crate) fn apply(&mut self, stored: &Stored<'a>) {
        let place = stored.place;
        match &stored.entry.body {
            Body::Created {
                kind,
                name,
                description,
                avatar_url,
                open,
                members,
            } => {
                self.direct = *kind == Kind::Direct;
                self.profile = Profile {
                    name: name.clone(),
                    description: description.clone(),
                    avatar_url: avatar_url.clone(),
                    open: *open,
                };
                for member in members {
                    self.set_role(&member.user, member.role, place);
                }
            }
            Body::Joined { users, role, invite } => {
                for user in users {
                    self.set_role(user, *role, place);
                }
                if let Some(used) = invite
                    && let Some(invite) = self.invites.get_mut(&used.id)
                {
                    invite.uses = used.uses;
                }
            }
            Body::Left { user } => self.end(user, place),
            Body::Banned { user, .. } => {
                self.end(user, place);
                self.banned.insert(user, place);
            }
            Body::Unbanned { user } => {
                self.banned.remove(user);
            }
            Body::Muted { user, until } => {
                let until = until.unwrap_or(FOR_EVER);
                self.muted.insert(user, Mute { until, place });
            }
            Body::Unmuted { user } => {
                self.muted.remove(user);
            }
            Body::RoleChanged { user, role } if self.members.contains_key(user) => {
                self.set_role(user, *role, place);
            }
            Body::Updated(profile) => self.profile.clone_from(profile),
            Body::Invited { invite, max_uses, .. } => {
                let made = Invite {
                    max_uses: *max_uses,
                    uses: 0,
                    place,
                };
                self.invites.insert(invite, made);
            }
            Body::Revoked { invite } => {
                self.invites.remove(invite);
            }
            Body::Dissolved {} => {
                self.dissolved = Some(place);
                self.members.clear();
                self.admins = 0;
            }
            Body::RoleChanged { .. }
            | Body::Message(_)
            | Body::Edited { .. }
            | Body::Deleted { .. }
            | Body::Reacted { .. }
            | Body::Void {} => {}
        }
    }

    fn set_role(&mut self, user: &'a UserId, role: Role, place: usize) {
        let before = self.members.insert(user, Member { role, place });
        self.admins -= usize::from(before.is_some_and(|before| before.role == Role::Admin));
        self.admins += usize::from(role == Role::Admin);
    }

    fn end(&mut self, user: &'a UserId, place: usize) {
        if let Some(member) = self.members.remove(user) {
            self.admins -= usize::from(member.role == Role::Admin);
            self.former.insert(user, place);
        }
    }

    /// What the directory is to hold, once it has taken in all.
    pub(crate) fn governance(&self) -> Governance {
        let muted = self.muted.iter();
        let has_room = |invite: &Invite| invite.max_uses.is_none_or(|max| invite.uses < max);
        let usable = self.invites.iter().filter(|(_, invite)| has_room(invite));
        Governance {
            profile: self.profile.clone(),
            banned: self.banned.keys().map(|user| (*user).clone()).collect(),
            muted: muted.map(|(user, mute)| ((*user).clone(), mute.until)).collect(),
            invites: usable.map(|(id, invite)| ((*id).clone(), invite.uses)).collect(),
        }
    }
}

/// Who has made an entry, as of the entry before.
struct Asker<'b> {
    what: &'b str,
    user: &'b UserId,
    role: Role,
    /// What gave him the role.
    place: usize,
}

impl Asker<'_> {
    fn object<T>(&self, who: &str, place: Option<usize>) -> Result<T, Objection> {
        object(
            format!("{} by {}, who was {who} then", self.what, self.user),
            place,
        )
    }

    fn is_at_least(&self, role: Role) -> Result<(), Objection> {
        if self.role >= role {
            return Ok(());
        }
        self.object(&format!("{:?}", self.role).to_lowercase(), Some(self.place))
    }

    fn is_above(&self, user: &UserId, other: Option<&Member>) -> Result<(), Objection> {
        let other = other.filter(|other| other.role >= self.role);
        if user != self.user && other.is_none() {
            return Ok(());
        }
        let place = other.map(|other| other.place);
        self.object(&format!("no more than {user}"), place)
    }
}

/// What an entry is, in an objection.
fn name(entry: &Entry) -> String {
    let name = match &entry.body {
        Body::Message(_) => "a message",
        Body::Edited { .. } => "an edit",
        Body::Deleted { .. } => "a deletion",
        Body::Reacted { .. } => "a reaction",
        Body::Joined { users, .. } if entry.sender.as_ref().is_some_and(|by| users.contains(by)) => {
            "a joining"
        }
        Body::Joined { .. } => "an addition",
        Body::Left { user } if entry.sender.as_ref() == Some(user) => "a leaving",
        Body::Left { .. } => "a removal",
        Body::Banned { .. } => "a ban",
        Body::Unbanned { .. } => "the end of a ban",
        Body::Muted { .. } => "a mute",
        Body::Unmuted { .. } => "the end of a mute",
        Body::RoleChanged { .. } => "a change of a role",
        Body::Updated(_) => "a change of the profile",
        Body::Invited { .. } => "an invite",
        Body::Revoked { .. } => "the end of an invite",
        Body::Dissolved {} => "the conversation's end",
        Body::Created { .. } => "a beginning",
        Body::Void {} => "a void",
    };
    name.to_owned()
}
