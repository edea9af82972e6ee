//! What an entry changes in the directory.

use std::sync::Arc;

use starling_protocol::{Body, Entry, Seq, UserId};

use crate::ports::{Alteration, ConversationRecord, Effect, FOR_EVER, InviteRecord, Sanction};

/// A conversation as its first entry makes it; `None` for any other entry.
pub(crate) fn record_of(entry: &Entry) -> Option<ConversationRecord> {
    let Body::Created {
        kind,
        name,
        description,
        avatar_url,
        open,
        ..
    } = &entry.body
    else {
        return None;
    };
    Some(ConversationRecord {
        id: entry.conversation.clone(),
        kind: *kind,
        name: name.clone(),
        description: description.clone(),
        avatar_url: avatar_url.clone(),
        open: *open,
        updated: entry.seq,
        created_by: entry.sender.clone()?,
        created_at: entry.at,
        applied: 0,
        dissolved: None,
    })
}

/// The guarded updates that follow from entries, in their order.
pub(crate) fn effects(entries: &[Arc<Entry>]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for entry in entries {
        let set = |user: &UserId, role| Effect::SetMember {
            conversation: entry.conversation.clone(),
            user: user.clone(),
            role,
            seq: entry.seq,
        };
        match &entry.body {
            Body::Created { members, .. } => {
                effects.extend(record_of(entry).map(Effect::CreateConversation));
                effects.extend(members.iter().map(|member| set(&member.user, member.role)));
                effects.push(meet(entry));
            }
            Body::Joined { users, role, invite } => {
                effects.extend(users.iter().map(|user| set(user, *role)));
                effects.extend(invite.iter().map(|used| Effect::UseInvite {
                    invite: used.id.clone(),
                    uses: used.uses,
                    seq: entry.seq,
                }));
                effects.push(meet(entry));
            }
            Body::Left { user } => effects.push(end_member(entry, user)),
            Body::RoleChanged { user, role } => effects.push(Effect::SetRole {
                conversation: entry.conversation.clone(),
                user: user.clone(),
                role: *role,
                seq: entry.seq,
            }),
            Body::Banned { user, removed } => {
                effects.extend(removed.then(|| end_member(entry, user)));
                effects.push(sanction(entry, user, Sanction::Ban(true)));
            }
            Body::Unbanned { user } => effects.push(sanction(entry, user, Sanction::Ban(false))),
            Body::Muted { user, until } => {
                let until = Some(until.unwrap_or(FOR_EVER));
                effects.push(sanction(entry, user, Sanction::Mute(until)));
            }
            Body::Unmuted { user } => effects.push(sanction(entry, user, Sanction::Mute(None))),
            Body::Updated(profile) => effects.push(Effect::SetProfile {
                conversation: entry.conversation.clone(),
                profile: profile.as_ref().clone(),
                seq: entry.seq,
            }),
            Body::Invited {
                invite,
                expires_at,
                max_uses,
            } => effects.extend(entry.sender.clone().map(|sender| {
                Effect::MakeInvite(InviteRecord {
                    id: invite.clone(),
                    conversation: entry.conversation.clone(),
                    created_by: sender,
                    created_at: entry.at,
                    expires_at: *expires_at,
                    max_uses: *max_uses,
                    uses: 0,
                    changed: entry.seq,
                })
            })),
            Body::Revoked { invite } => effects.push(Effect::RevokeInvite {
                invite: invite.clone(),
                seq: entry.seq,
            }),
            Body::Dissolved {} => {
                effects.extend(entry.sender.clone().map(|by| Effect::Dissolve {
                    conversation: entry.conversation.clone(),
                    seq: entry.seq,
                    by,
                    at: entry.at,
                }));
            }
            Body::Edited { target, text } => {
                effects.extend(alteration(
                    entry,
                    *target,
                    Alteration::Edit { text: text.clone() },
                ));
            }
            Body::Deleted { target } => effects.extend(alteration(entry, *target, Alteration::Delete)),
            Body::Reacted {
                target,
                emoji,
                removed,
            } => {
                let (emoji, removed) = (emoji.clone(), *removed);
                effects.extend(alteration(entry, *target, Alteration::React { emoji, removed }));
            }
            Body::Message(_) | Body::Void {} => {}
        }
    }
    effects
}

fn end_member(entry: &Entry, user: &UserId) -> Effect {
    Effect::EndMember {
        conversation: entry.conversation.clone(),
        user: user.clone(),
        seq: entry.seq,
    }
}

fn sanction(entry: &Entry, user: &UserId, sanction: Sanction) -> Effect {
    Effect::Sanction {
        conversation: entry.conversation.clone(),
        user: user.clone(),
        sanction,
        seq: entry.seq,
    }
}

fn meet(entry: &Entry) -> Effect {
    Effect::Meet {
        conversation: entry.conversation.clone(),
        users: newcomers(entry),
        at: entry.at,
    }
}

/// The users that entries make members.
pub(crate) fn newcomers(entry: &Entry) -> Vec<UserId> {
    match &entry.body {
        Body::Created { members, .. } => members.iter().map(|member| member.user.clone()).collect(),
        Body::Joined { users, .. } => users.clone(),
        _ => Vec::new(),
    }
}

fn alteration(entry: &Entry, target: Seq, alteration: Alteration) -> Option<Effect> {
    Some(Effect::AlterMessage {
        conversation: entry.conversation.clone(),
        target,
        seq: entry.seq,
        by: entry.sender.clone()?,
        at: entry.at,
        alteration,
    })
}
