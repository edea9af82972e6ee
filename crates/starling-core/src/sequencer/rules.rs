//! Who may do what: every check that depends on a conversation's state, in one place.

use std::collections::HashSet;

use starling_protocol::limits::MAX_LAMPORT_LEAD;
use starling_protocol::{Body, Error, ErrorCode, Kind, Role, UserId};

use super::operation::{Change, Operation};
use super::state::State;

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
    match decide(&operation.sender, &operation.change, state) {
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

fn forbidden<T>(message: &str) -> Result<T, Error> {
    Err(Error::new(ErrorCode::Forbidden, message))
}

fn decide(sender: &UserId, change: &Change, state: &State) -> Result<Verdict, Error> {
    if let Change::Create {
        kind,
        name,
        open,
        members,
    } = change
    {
        let body = Body::Created {
            kind: *kind,
            name: name.clone(),
            open: *open,
            members: members.clone(),
        };
        return Ok(if state.exists() {
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
    let role = state.members.get(sender).map(|member| member.role);
    if let Change::Join = change {
        return match role {
            Some(_) => Ok(Verdict::Unchanged),
            None if state.open => Ok(Verdict::Change(Body::Joined {
                users: vec![sender.clone()],
                role: Role::Member,
            })),
            None => forbidden("the conversation is not open: ask a member to add you"),
        };
    }
    let Some(role) = role else {
        return Err(Error::new(
            ErrorCode::NotAMember,
            "you are not a member of the conversation",
        ));
    };
    if state.kind == Kind::Direct && !matches!(change, Change::Message { .. }) {
        return forbidden("a direct conversation keeps its two members");
    }
    match change {
        Change::Message { .. } => Ok(Verdict::Message),
        Change::Add { .. } if role < Role::Moderator => forbidden("only moderators and admins add members"),
        Change::Add { users } => {
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
            }))
        }
        Change::Leave => {
            let admins = state
                .members
                .values()
                .filter(|member| member.role == Role::Admin)
                .count();
            if role == Role::Admin && admins == 1 && state.members.len() > 1 {
                return forbidden("the last admin cannot leave while others are members");
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
        Change::Create { .. } | Change::Join => Ok(Verdict::Unchanged),
    }
}
