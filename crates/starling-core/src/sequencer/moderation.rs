//! Who may govern a conversation, and how: roles, bans, mutes, its name and the like, invites.

use starling_protocol::limits::MAX_INVITES;
use starling_protocol::{Body, Error, ErrorCode, InviteId, InviteUse, Profile, Role, UserId};

use super::operation::{Change, ProfileChange};
use super::rules::{Verdict, forbidden};
use super::state::{Invite, State};
use crate::ports::FOR_EVER;

fn refused<T>(code: ErrorCode, message: impl Into<String>) -> Result<T, Error> {
    Err(Error::new(code, message))
}

fn change(body: Body) -> Result<Verdict, Error> {
    Ok(Verdict::Change(body))
}

/// Whether someone may become a member by himself, at this time.
pub(super) fn join(
    sender: &UserId,
    invite: Option<&InviteId>,
    state: &State,
    now: i64,
) -> Result<Verdict, Error> {
    if state.members.contains_key(sender) {
        return Ok(Verdict::Unchanged);
    }
    if state.banned.contains(sender) {
        return refused(ErrorCode::Banned, "you are banned from the conversation");
    }
    let invite = match invite {
        None if state.profile.open => None,
        None => {
            let message = "the conversation is not open: ask a member for an invite, or to add you";
            return refused(ErrorCode::NotOpen, message);
        }
        Some(id) => {
            let Some(found) = state.invites.get(id).filter(|found| found.is_good(now)) else {
                let message = "there is no such invite, or it has expired, was revoked or is used up";
                return refused(ErrorCode::UnknownInvite, message);
            };
            let (id, uses) = (id.clone(), found.uses + 1);
            Some(InviteUse { id, uses })
        }
    };
    change(Body::Joined {
        users: vec![sender.clone()],
        role: Role::Member,
        invite,
    })
}

/// Whether a muted member would speak by this, at this time.
pub(super) fn check_voice(change: &Change, sender: &UserId, state: &State, now: i64) -> Result<(), Error> {
    let speaks = matches!(
        change,
        Change::Message(_) | Change::Edit { .. } | Change::React { .. }
    );
    match state.muted_until(sender, now) {
        Some(_) if speaks => refused(ErrorCode::Muted, "you are muted in the conversation"),
        _ => Ok(()),
    }
}

/// Whether `sender` would leave the conversation's members without an admin.
pub(super) fn is_last_admin(sender: &UserId, state: &State) -> bool {
    let mut admins = state
        .members
        .iter()
        .filter(|(_, member)| member.role == Role::Admin);
    admins.next().is_some_and(|(user, _)| user == sender) && admins.next().is_none()
}

/// What becomes of a change that governs, asked for by a member with this role.
pub(super) fn govern(
    asked: &Change,
    sender: &UserId,
    role: Role,
    state: &State,
    now: i64,
) -> Result<Verdict, Error> {
    match asked {
        Change::Role { user, role: to } => set_role(sender, role, user, *to, state),
        _ if role < Role::Moderator => forbidden("only moderators and admins do that"),
        Change::Ban { user } => {
            check_rank(sender, role, user, state)?;
            if state.banned.contains(user) {
                return Ok(Verdict::Unchanged);
            }
            let removed = state.members.contains_key(user);
            let user = user.clone();
            change(Body::Banned { user, removed })
        }
        Change::Unban { user } if !state.banned.contains(user) => Ok(Verdict::Unchanged),
        Change::Unban { user } => change(Body::Unbanned { user: user.clone() }),
        Change::Mute { user, until } => {
            check_rank(sender, role, user, state)?;
            if !state.members.contains_key(user) {
                return no_member();
            }
            if until.is_some_and(|until| until <= now) {
                return refused(ErrorCode::Invalid, "`until` must be in the future");
            }
            if state.muted.get(user) == Some(&until.unwrap_or(FOR_EVER)) {
                return Ok(Verdict::Unchanged);
            }
            let (user, until) = (user.clone(), *until);
            change(Body::Muted { user, until })
        }
        Change::Unmute { user } => {
            // A moderator who is muted does not help himself, nor do his likes help an admin whom one has muted.
            let other = state.members.get(user).map(|member| member.role);
            if user == sender || other.is_some_and(|other| other > role) {
                return forbidden("not oneself, and not one with a higher role");
            }
            match state.muted_until(user, now) {
                None => Ok(Verdict::Unchanged),
                Some(_) => change(Body::Unmuted { user: user.clone() }),
            }
        }
        Change::Update(asked) => {
            let profile = updated(&state.profile, asked);
            if profile == state.profile {
                return Ok(Verdict::Unchanged);
            }
            change(Body::Updated(Box::new(profile)))
        }
        Change::Invite {
            invite,
            expires_at,
            max_uses,
        } => {
            if expires_at.is_some_and(|at| at <= now) {
                return refused(ErrorCode::Invalid, "`expires_at` must be in the future");
            }
            if state
                .invites
                .values()
                .filter(|invite| invite.is_good(now))
                .count()
                >= MAX_INVITES
            {
                return forbidden("the conversation has as many invites as one may have: revoke one");
            }
            change(Body::Invited {
                invite: invite.clone(),
                expires_at: *expires_at,
                max_uses: *max_uses,
            })
        }
        Change::Revoke { invite } if !state.invites.contains_key(invite) => Ok(Verdict::Unchanged),
        Change::Revoke { invite } => {
            let invite = invite.clone();
            change(Body::Revoked { invite })
        }
        _ => Ok(Verdict::Unchanged),
    }
}

fn set_role(sender: &UserId, role: Role, user: &UserId, to: Role, state: &State) -> Result<Verdict, Error> {
    if role < Role::Admin {
        return forbidden("only admins give roles");
    }
    let Some(member) = state.members.get(user) else {
        return no_member();
    };
    if member.role == to {
        return Ok(Verdict::Unchanged);
    }
    if user == sender && is_last_admin(sender, state) {
        let message = "the last admin makes another one before he steps down";
        return refused(ErrorCode::LastAdmin, message);
    }
    let user = user.clone();
    change(Body::RoleChanged { user, role: to })
}

/// Nobody is banned or muted by those who have no higher role than he.
fn check_rank(sender: &UserId, role: Role, user: &UserId, state: &State) -> Result<(), Error> {
    match state.members.get(user) {
        _ if user == sender => forbidden("not oneself"),
        Some(other) if other.role >= role => forbidden("not one with the same role or a higher one"),
        _ => Ok(()),
    }
}

fn no_member() -> Result<Verdict, Error> {
    refused(
        ErrorCode::UnknownUser,
        "that user is no member of the conversation",
    )
}

fn updated(profile: &Profile, asked: &ProfileChange) -> Profile {
    let text = |old: &Option<String>, new: &Option<String>| match new {
        None => old.clone(),
        Some(new) => Some(new.clone()).filter(|new| !new.is_empty()),
    };
    Profile {
        name: text(&profile.name, &asked.name),
        description: text(&profile.description, &asked.description),
        avatar_url: text(&profile.avatar_url, &asked.avatar_url),
        open: asked.open.unwrap_or(profile.open),
    }
}

impl Invite {
    /// Whether one may join by it.
    pub(super) fn is_good(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|at| now < at) && self.max_uses.is_none_or(|max| self.uses < max)
    }
}

impl State {
    /// Until when a user is muted, if he is at this time.
    pub(super) fn muted_until(&self, user: &UserId, now: i64) -> Option<i64> {
        self.muted.get(user).copied().filter(|until| now < *until)
    }
}
