//! Who may do what: every check that depends on a conversation's state, in one place.

use std::collections::HashSet;

use starling_protocol::limits::{MAX_ALTERATIONS, MAX_LAMPORT_LEAD};
use starling_protocol::{Body, Entry, Error, ErrorCode, Kind, MessageKind, MessageState, Role};

use super::operation::{Change, Operation};
use super::state::State;
use super::{moderation, moderation::check_voice};
use crate::time::unix_millis;

/// What becomes of an operation at a state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is a message that may be appended.
    Message,
    /// It becomes this entry.
    Change(Body),
    /// It is so already.
    Unchanged,
    /// It may not be.
    Refuse(Error),
}

/// Judges an operation against the state that it would be appended to.
pub(crate) fn judge(operation: &Operation, state: &State) -> Verdict {
    match decide(operation, state) {
        Ok(Verdict::Message | Verdict::Change(_))
            if operation.lamport > state.mark.lamport + MAX_LAMPORT_LEAD =>
        {
            refuse(
                ErrorCode::LamportAhead,
                format!(
                    "the stamp is more than {MAX_LAMPORT_LEAD} ahead of the conversation's clock, {}",
                    state.mark.lamport
                ),
            )
        }
        Ok(verdict) => verdict,
        Err(error) => Verdict::Refuse(error),
    }
}

fn refuse(code: ErrorCode, message: impl Into<String>) -> Verdict {
    Verdict::Refuse(Error::new(code, message))
}

pub(super) fn forbidden<T>(message: &str) -> Result<T, Error> {
    Err(Error::new(ErrorCode::Forbidden, message))
}

/// What is answered about a conversation that is deleted for all.
pub(crate) fn deleted() -> Error {
    Error::new(ErrorCode::ConversationDeleted, "the conversation was deleted")
}

fn decide(operation: &Operation, state: &State) -> Result<Verdict, Error> {
    let (sender, change) = (&operation.sender, &operation.change);
    if let Change::Create {
        kind,
        profile,
        members,
    } = change
    {
        let profile = profile.clone();
        let body = Body::Created {
            kind: *kind,
            name: profile.name,
            description: profile.description,
            avatar_url: profile.avatar_url,
            open: profile.open,
            members: members.clone(),
        };
        return Ok(if state.dissolved {
            Verdict::Refuse(deleted())
        } else if state.exists() {
            Verdict::Unchanged
        } else {
            Verdict::Change(body)
        });
    }
    if !state.exists() {
        return Err(Error::new(
            ErrorCode::UnknownConversation,
            "there is no such conversation",
        ));
    }
    if state.dissolved {
        return Err(deleted());
    }
    // Mutes and invites end by themselves. Before every attempt it is judged by the time of the attempt.
    let now = unix_millis();
    if let Change::Join { invite } = change {
        return moderation::join(sender, invite.as_ref(), state, now);
    }
    let Some(role) = state.members.get(sender).map(|member| member.role) else {
        return Err(Error::new(
            ErrorCode::NotAMember,
            "you are not a member of the conversation",
        ));
    };
    if state.kind == Kind::Direct && !change.keeps_members() {
        return forbidden("a direct conversation keeps its two members");
    }
    check_voice(change, sender, state, now)?;
    match change {
        Change::Dissolve if role < Role::Admin => forbidden("only admins delete a conversation for all"),
        Change::Dissolve => Ok(Verdict::Change(Body::Dissolved {})),
        Change::Message(message) => {
            if message.kind == MessageKind::System && !may_moderate(role) {
                return forbidden("only moderators and admins send system messages");
            }
            if operation.is_target_known {
                message.reply_to.map_or(Ok(()), |_| target(operation).map(drop))?;
            }
            Ok(Verdict::Message)
        }
        Change::Edit { .. } | Change::Delete { .. } | Change::React { .. } => alter(operation, role),
        Change::Add { .. } if role < Role::Moderator => forbidden("only moderators and admins add members"),
        Change::Add { users } => {
            if let Some(user) = users.iter().find(|user| state.banned.contains(*user)) {
                let message = format!("{user} is banned from the conversation: lift the ban first");
                return Err(Error::new(ErrorCode::Banned, message));
            }
            let mut seen = HashSet::new();
            let users: Vec<_> = users
                .iter()
                .filter(|user| !state.members.contains_key(*user) && seen.insert(*user))
                .cloned()
                .collect();
            if users.is_empty() {
                return Ok(Verdict::Unchanged);
            }
            Ok(Verdict::Change(Body::Joined {
                users,
                role: Role::Member,
                invite: None,
            }))
        }
        Change::Leave => {
            if state.members.len() > 1 && moderation::is_last_admin(sender, state) {
                let message = "the last admin makes another one before he leaves";
                return Err(Error::new(ErrorCode::LastAdmin, message));
            }
            Ok(Verdict::Change(Body::Left { user: sender.clone() }))
        }
        Change::Remove { user } if user == sender => forbidden("leave instead of removing yourself"),
        Change::Remove { user } => match state.members.get(user) {
            None => Ok(Verdict::Unchanged),
            Some(_) if role < Role::Moderator => forbidden("only moderators and admins remove members"),
            Some(other) if other.role > Role::Member && role < Role::Admin => {
                forbidden("only admins remove moderators and admins")
            }
            Some(_) => Ok(Verdict::Change(Body::Left { user: user.clone() })),
        },
        Change::Role { .. }
        | Change::Ban { .. }
        | Change::Unban { .. }
        | Change::Mute { .. }
        | Change::Unmute { .. }
        | Change::Update(_)
        | Change::Invite { .. }
        | Change::Revoke { .. } => moderation::govern(change, sender, role, state, now),
        Change::Create { .. } | Change::Join { .. } => Ok(Verdict::Unchanged),
    }
}

/// Whether it is for him to look after what others say.
fn may_moderate(role: Role) -> bool {
    role >= Role::Moderator
}

/// Refuses to alter a message once more that has been altered as often as one may be. To take it back, or to take a
/// reaction back, is always possible.
fn check_room(state: &MessageState) -> Result<(), Error> {
    if state.alterations >= MAX_ALTERATIONS {
        return forbidden("the message has as many edits and reactions as a message may have");
    }
    Ok(())
}

/// What becomes of a change of an earlier message. As long as that was not looked up, it may well be made.
fn alter(operation: &Operation, role: Role) -> Result<Verdict, Error> {
    let (sender, known) = (&operation.sender, operation.is_target_known);
    match &operation.change {
        Change::Edit { target: seq, text } => {
            if known {
                let (message, state) = target(operation)?;
                if message.sender.as_ref() != Some(sender) {
                    return forbidden("only who sent a message edits it");
                }
                check_room(&state)?;
            }
            let (target, text) = (*seq, text.clone());
            Ok(Verdict::Change(Body::Edited { target, text }))
        }
        Change::Delete { target: seq } => {
            if known {
                let message = message(operation)?;
                if message.sender.as_ref() != Some(sender) && !may_moderate(role) {
                    return forbidden("only who sent a message, moderators and admins delete it");
                }
                if is_deleted(message) {
                    return Ok(Verdict::Unchanged);
                }
            }
            Ok(Verdict::Change(Body::Deleted { target: *seq }))
        }
        Change::React {
            target: seq,
            emoji,
            removed,
        } => {
            if known {
                let (_, state) = target(operation)?;
                let users = state.reactions.get(emoji);
                let is_there = users.is_some_and(|users| users.contains(sender));
                if is_there != *removed {
                    return Ok(Verdict::Unchanged);
                }
                if !removed {
                    check_room(&state)?;
                }
            }
            let (target, emoji, removed) = (*seq, emoji.clone(), *removed);
            Ok(Verdict::Change(Body::Reacted {
                target,
                emoji,
                removed,
            }))
        }
        _ => Ok(Verdict::Unchanged),
    }
}

/// The message that an operation is about, and what became of it; an error where there is none, or none any more.
fn target(operation: &Operation) -> Result<(&Entry, MessageState), Error> {
    let message = message(operation)?;
    if is_deleted(message) {
        return Err(unknown("the message was deleted"));
    }
    Ok((message, message.state.clone().unwrap_or_default()))
}

/// The message that an operation is about, be it deleted.
fn message(operation: &Operation) -> Result<&Entry, Error> {
    let entry = operation.target.as_deref();
    entry
        .filter(|entry| entry.body.is_message())
        .ok_or_else(|| unknown("there is no such message in the conversation"))
}

fn is_deleted(message: &Entry) -> bool {
    let state = message.state.as_ref();
    state.is_some_and(|state| state.deleted_at.is_some())
}

fn unknown(message: &str) -> Error {
    Error::new(ErrorCode::UnknownMessage, message)
}
