//! Derived state, and the guarded updates that make it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use starling_protocol::{ConversationId, Role, Seq, UserId};

use crate::ports::{ConversationRecord, Effect, MarksRaised, MemberRecord, Remembered};
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
                    record.role = *role;
                    record.left = None;
                    let owed_from = seq.saturating_sub(1);
                    record.delivered = record.delivered.max(owed_from);
                    record.read = record.read.max(owed_from);
                }
            }
            // Pairs of people stand beside these tables.
            Effect::Meet { .. } => {}
            // Its table is that of the log.
            Effect::AlterMessage { .. } => {}
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
            left: None,
            delivered: 0,
            read: 0,
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
