//! Derived state, and the guarded updates that make it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use starling_protocol::{ConversationId, InviteId, Role, Seq, UserId};

use crate::ports::{
    ConversationRecord, Effect, InviteRecord, MarksRaised, MemberRecord, Remembered, Sanction, SanctionRecord,
};
use crate::{defect, planted};

/// Conversations, members and users.
#[derive(Default)]
pub(super) struct Tables {
    conversations: BTreeMap<ConversationId, ConversationRecord>,
    members: HashMap<ConversationId, BTreeMap<UserId, MemberRecord>>,
    /// Every conversation in which a user has a record, present or former.
    by_user: HashMap<UserId, BTreeSet<ConversationId>>,
    users: BTreeMap<UserId, Option<String>>,
    remembered: HashMap<UserId, Remembered>,
    sanctions: HashMap<ConversationId, BTreeMap<UserId, Sanctions>>,
    invites: BTreeMap<InviteId, Invite>,
}

/// Each with the entry that last set it.
#[derive(Default)]
struct Sanctions {
    banned: (Seq, bool),
    muted: (Seq, Option<i64>),
}

struct Invite {
    record: InviteRecord,
    revoked: bool,
}

impl Tables {
    pub(super) fn conversation(&self, id: &ConversationId) -> Option<&ConversationRecord> {
        self.conversations.get(id)
    }

    /// Conversations by id, after `after`.
    pub(super) fn conversations_after<'a>(
        &'a self,
        after: Option<&'a ConversationId>,
    ) -> impl Iterator<Item = &'a ConversationRecord> {
        self.conversations
            .values()
            .filter(move |record| after.is_none_or(|after| record.id > *after))
    }

    /// Members by user, former ones included.
    pub(super) fn members(&self, conversation: &ConversationId) -> impl Iterator<Item = &MemberRecord> {
        self.members
            .get(conversation)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    pub(super) fn member(&self, conversation: &ConversationId, user: &UserId) -> Option<&MemberRecord> {
        self.members.get(conversation)?.get(user)
    }

    /// Bans and mutes by user, those that were lifted included.
    pub(super) fn sanctions(&self, conversation: &ConversationId) -> Vec<SanctionRecord> {
        let sanctions = self.sanctions.get(conversation).into_iter().flatten();
        let records = sanctions.map(|(user, sanctions)| SanctionRecord {
            conversation: conversation.clone(),
            user: user.clone(),
            banned: sanctions.banned.1,
            muted_until: sanctions.muted.1,
            changed: sanctions.banned.0.max(sanctions.muted.0),
        });
        records.collect()
    }

    /// Invites by id that are neither revoked nor used up.
    pub(super) fn invites<'a>(
        &'a self,
        conversation: &'a ConversationId,
    ) -> impl Iterator<Item = &'a InviteRecord> {
        let is_open = |invite: &Invite| {
            let left = |max| invite.record.uses < max;
            !invite.revoked && invite.record.max_uses.is_none_or(left)
        };
        self.invites
            .values()
            .filter(move |invite| invite.record.conversation == *conversation && is_open(invite))
            .map(|invite| &invite.record)
    }

    /// A user's present memberships by conversation, after `after`.
    pub(super) fn memberships_after<'a>(
        &'a self,
        user: &'a UserId,
        after: Option<&'a ConversationId>,
    ) -> impl Iterator<Item = &'a MemberRecord> {
        let conversations = self.by_user.get(user).into_iter().flatten();
        conversations
            .filter(move |id| after.is_none_or(|after| *id > after))
            .filter_map(|id| self.member(id, user))
            .filter(|record| record.left.is_none())
    }

    pub(super) fn users(&self) -> Vec<(UserId, Option<String>)> {
        self.users
            .iter()
            .map(|(user, name)| (user.clone(), name.clone()))
            .collect()
    }

    pub(super) fn saw_user(&mut self, user: &UserId, name: Option<&str>) {
        let kept = self.users.entry(user.clone()).or_default();
        if let Some(name) = name {
            *kept = Some(name.to_owned());
        }
    }

    pub(super) fn remembered(&self, user: &UserId) -> Remembered {
        self.remembered.get(user).cloned().unwrap_or_default()
    }

    pub(super) fn set_presence_text(&mut self, user: &UserId, text: Option<&str>) {
        self.remembered.entry(user.clone()).or_default().text = text.map(str::to_owned);
    }

    pub(super) fn saw_last(&mut self, user: &UserId, at: i64) {
        let last_seen = &mut self.remembered.entry(user.clone()).or_default().last_seen;
        *last_seen = (*last_seen).max(Some(at));
    }

    pub(super) fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::CreateConversation(record) => {
                self.conversations
                    .entry(record.id.clone())
                    .or_insert_with(|| record.clone());
            }
            Effect::SetMember {
                conversation,
                user,
                role,
                seq,
            } => {
                if let Some(record) = self.guarded(conversation, user, *seq) {
                    if is_older(record.role_changed, *seq) {
                        (record.role, record.role_changed) = (*role, *seq);
                    }
                    (record.left, record.hidden) = (None, None);
                    let owed_from = seq.saturating_sub(1);
                    record.delivered = record.delivered.max(owed_from);
                    record.read = record.read.max(owed_from);
                }
            }
            Effect::SetRole {
                conversation,
                user,
                role,
                seq,
            } => {
                let members = self.members.get_mut(conversation);
                let record = members.and_then(|members| members.get_mut(user));
                if let Some(record) = record.filter(|record| is_older(record.role_changed, *seq)) {
                    (record.role, record.role_changed) = (*role, *seq);
                }
            }
            Effect::Sanction {
                conversation,
                user,
                sanction,
                seq,
            } => {
                let users = self.sanctions.entry(conversation.clone()).or_default();
                let sanctions = users.entry(user.clone()).or_default();
                match sanction {
                    Sanction::Ban(banned) if is_older(sanctions.banned.0, *seq) => {
                        sanctions.banned = (*seq, *banned);
                    }
                    Sanction::Mute(until) if is_older(sanctions.muted.0, *seq) => {
                        sanctions.muted = (*seq, *until);
                    }
                    _ => {}
                }
            }
            Effect::SetProfile {
                conversation,
                profile,
                seq,
            } => {
                let record = self.conversations.get_mut(conversation);
                if let Some(record) = record.filter(|record| is_older(record.updated, *seq)) {
                    let profile = profile.clone();
                    (record.name, record.description) = (profile.name, profile.description);
                    (record.avatar_url, record.open) = (profile.avatar_url, profile.open);
                    record.updated = *seq;
                }
            }
            Effect::MakeInvite(record) => {
                self.invites.entry(record.id.clone()).or_insert_with(|| Invite {
                    record: record.clone(),
                    revoked: false,
                });
            }
            Effect::UseInvite { invite, uses, seq } => {
                if let Some(Invite { record, .. }) = self.invites.get_mut(invite) {
                    record.uses = record.uses.max(*uses);
                    record.changed = record.changed.max(*seq);
                }
            }
            Effect::RevokeInvite { invite, seq } => {
                if let Some(invite) = self.invites.get_mut(invite) {
                    invite.revoked = true;
                    invite.record.changed = invite.record.changed.max(*seq);
                }
            }
            // Pairs of people stand beside these tables.
            Effect::Meet { .. } => {}
            // Its table is that of the log.
            Effect::AlterMessage { .. } => {}
            Effect::Dissolve {
                conversation, seq, ..
            } => {
                if let Some(record) = self.conversations.get_mut(conversation) {
                    record.dissolved.get_or_insert(*seq);
                }
                let members = self.members.get_mut(conversation).into_iter().flatten();
                for (_, record) in members.filter(|(_, record)| record.changed < *seq) {
                    record.changed = *seq;
                    record.left.get_or_insert(*seq);
                }
            }
            Effect::EndMember {
                conversation,
                user,
                seq,
            } => {
                if let Some(record) = self.guarded(conversation, user, *seq) {
                    record.left = Some(*seq);
                }
            }
        }
    }

    pub(super) fn mark_applied(&mut self, conversation: &ConversationId, seq: Seq) {
        if let Some(record) = self.conversations.get_mut(conversation) {
            record.applied = record.applied.max(seq);
        }
    }

    pub(super) fn hide(&mut self, conversation: &ConversationId, user: &UserId, messages: u64) {
        let members = self.members.get_mut(conversation);
        if let Some(record) = members.and_then(|members| members.get_mut(user))
            && record.left.is_none()
        {
            record.hidden = record.hidden.max(Some(messages));
        }
    }

    pub(super) fn raise_marks(&mut self, raised: &MarksRaised) {
        let record = self
            .members
            .get_mut(&raised.conversation)
            .and_then(|members| members.get_mut(&raised.user));
        // Also of a former member: his return may be stored, and not be applied yet.
        if let Some(record) = record {
            record.delivered = record.delivered.max(raised.delivered);
            record.read = record.read.max(raised.read);
        }
    }

    /// The record to change by the entry at `seq`, marked as changed by it; `None` if a newer one, or this one,
    /// has changed it already. A missing record is made even by the end of a membership: without the guard that
    /// it leaves behind, the older entry that began the membership could still be applied and bring it back.
    fn guarded(
        &mut self,
        conversation: &ConversationId,
        user: &UserId,
        seq: Seq,
    ) -> Option<&mut MemberRecord> {
        let members = self.members.entry(conversation.clone()).or_default();
        let record = members.entry(user.clone()).or_insert_with(|| MemberRecord {
            conversation: conversation.clone(),
            user: user.clone(),
            role: Role::Member,
            changed: 0,
            role_changed: 0,
            left: None,
            delivered: 0,
            read: 0,
            hidden: None,
        });
        if record.changed >= seq && !planted(defect::EFFECTS_UNGUARDED) {
            return None;
        }
        record.changed = seq;
        self.by_user
            .entry(user.clone())
            .or_default()
            .insert(conversation.clone());
        Some(record)
    }
}

/// Whether what an entry at `changed` has made is older than what the one at `seq` makes of it.
fn is_older(changed: Seq, seq: Seq) -> bool {
    changed < seq || planted(defect::EFFECTS_UNGUARDED)
}
