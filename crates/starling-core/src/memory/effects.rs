//! Derived state, and the guarded updates that make it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use starling_protocol::{ConversationId, InviteId, Seq, UserId};

use crate::ports::{
    ConversationRecord, Effect, InviteRecord, MarksRaised, MemberRecord, Remembered, SanctionRecord,
};
use crate::records::{Invite, Sanctions};

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
    told: HashMap<&'static str, HashMap<ConversationId, Seq>>,
    told_since: HashMap<&'static str, i64>,
}

impl Tables {
    /// Up to where a sink was told.
    pub(super) fn told(&self, sink: &str, id: &ConversationId) -> Option<Seq> {
        self.told.get(sink)?.get(id).copied()
    }

    pub(super) fn tell(&mut self, sink: &'static str, id: &ConversationId, seq: Seq) {
        let told = self.told.entry(sink).or_default().entry(id.clone()).or_default();
        *told = seq.max(*told);
    }

    pub(super) fn told_since(&self, sink: &str) -> Option<i64> {
        self.told_since.get(sink).copied()
    }

    pub(super) fn tell_since(&mut self, sink: &'static str, at: i64) {
        self.told_since.entry(sink).or_insert(at);
    }

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
        sanctions
            .map(|(user, sanctions)| sanctions.record(conversation, user))
            .collect()
    }

    /// Invites by id that are neither revoked nor used up.
    pub(super) fn invites<'a>(
        &'a self,
        conversation: &'a ConversationId,
    ) -> impl Iterator<Item = &'a InviteRecord> {
        self.invites
            .values()
            .filter(move |invite| invite.record.conversation == *conversation && invite.is_open())
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
                self.made(conversation, user).begin(*role, *seq);
            }
            Effect::SetRole {
                conversation,
                user,
                role,
                seq,
            } => {
                if let Some(record) = self.known(conversation, user) {
                    record.set_role(*role, *seq);
                }
            }
            Effect::Sanction {
                conversation,
                user,
                sanction,
                seq,
            } => {
                let users = self.sanctions.entry(conversation.clone()).or_default();
                users.entry(user.clone()).or_default().apply(*sanction, *seq);
            }
            Effect::SetProfile {
                conversation,
                profile,
                seq,
            } => {
                if let Some(record) = self.conversations.get_mut(conversation) {
                    record.set_profile(profile, *seq);
                }
            }
            Effect::MakeInvite(record) => {
                self.invites.entry(record.id.clone()).or_insert_with(|| Invite {
                    record: record.clone(),
                    revoked: false,
                });
            }
            Effect::UseInvite { invite, uses, seq } => {
                if let Some(invite) = self.invites.get_mut(invite) {
                    invite.count(*uses, *seq);
                }
            }
            Effect::RevokeInvite { invite, seq } => {
                if let Some(invite) = self.invites.get_mut(invite) {
                    invite.revoke(*seq);
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
                members.for_each(|(_, record)| {
                    record.dissolve(*seq);
                });
            }
            Effect::EndMember {
                conversation,
                user,
                seq,
            } => {
                self.made(conversation, user).end(*seq);
            }
        }
    }

    pub(super) fn mark_applied(&mut self, conversation: &ConversationId, seq: Seq) {
        if let Some(record) = self.conversations.get_mut(conversation) {
            record.applied = record.applied.max(seq);
        }
    }

    pub(super) fn hide(&mut self, conversation: &ConversationId, user: &UserId, messages: u64) {
        if let Some(record) = self.known(conversation, user) {
            record.hide(messages);
        }
    }

    /// Also of a former member: his return may be stored, and not be applied yet.
    pub(super) fn raise_marks(&mut self, raised: &MarksRaised) {
        if let Some(record) = self.known(&raised.conversation, &raised.user) {
            record.raise(raised);
        }
    }

    fn known(&mut self, conversation: &ConversationId, user: &UserId) -> Option<&mut MemberRecord> {
        self.members.get_mut(conversation)?.get_mut(user)
    }

    fn made(&mut self, conversation: &ConversationId, user: &UserId) -> &mut MemberRecord {
        let of_user = self.by_user.entry(user.clone()).or_default();
        of_user.insert(conversation.clone());
        let members = self.members.entry(conversation.clone()).or_default();
        members
            .entry(user.clone())
            .or_insert_with(|| MemberRecord::unknown(conversation.clone(), user.clone()))
    }
}
