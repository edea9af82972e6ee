//! What an entry changes in the directory.

use std::sync::Arc;

use starling_protocol::{Body, Entry, Seq, UserId};

use crate::ports::{Alteration, ConversationRecord, Effect};

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
            Body::Created {
                kind,
                name,
                open,
                members,
            } => {
                if let Some(sender) = &entry.sender {
                    effects.push(Effect::CreateConversation(ConversationRecord {
                        id: entry.conversation.clone(),
                        kind: *kind,
                        name: name.clone(),
                        open: *open,
                        created_by: sender.clone(),
                        created_at: entry.at,
                        applied: 0,
                    }));
                }
                effects.extend(members.iter().map(|member| set(&member.user, member.role)));
                effects.push(meet(entry));
            }
            Body::Joined { users, role } => {
                effects.extend(users.iter().map(|user| set(user, *role)));
                effects.push(meet(entry));
            }
            Body::Left { user } => effects.push(Effect::EndMember {
                conversation: entry.conversation.clone(),
                user: user.clone(),
                seq: entry.seq,
            }),
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
