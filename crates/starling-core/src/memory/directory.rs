//! The directory's port over the tables.

use std::collections::BTreeSet;

use async_trait::async_trait;
use starling_protocol::{ConversationId, Seq, UserId};

use super::faults::{ApplyFault, pause};
use super::replicas::{Replicas, Write};
use super::store::MemoryStore;
use crate::ports::{
    ConversationRecord, Directory, Effect, InviteRecord, MarksRaised, MemberRecord, SanctionRecord,
    Unavailable,
};

impl MemoryStore {
    /// Carries out [`Effect::Meet`], which takes no part in the simulation of majorities.
    fn meet(&self, replicas: &Replicas, meetings: &[Effect]) {
        for effect in meetings {
            if let Effect::Meet {
                conversation,
                users,
                at,
            } = effect
            {
                let members = replicas.primary().tables.members(conversation);
                let present: Vec<_> = members
                    .filter(|member| member.left.is_none())
                    .map(|member| member.user.clone())
                    .collect();
                self.people.lock().meet(users, &present, *at);
            }
        }
    }
}

#[async_trait]
impl Directory for MemoryStore {
    async fn conversation(&self, id: &ConversationId) -> Result<Option<ConversationRecord>, Unavailable> {
        self.reading(|data| data.tables.conversation(id).cloned()).await
    }

    async fn conversations(&self, ids: &[ConversationId]) -> Result<Vec<ConversationRecord>, Unavailable> {
        self.reading(|data| {
            ids.iter()
                .filter_map(|id| data.tables.conversation(id).cloned())
                .collect()
        })
        .await
    }

    async fn scan(
        &self,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<(ConversationId, Seq)>, Unavailable> {
        self.reading(|data| {
            let page = data.tables.conversations_after(after).take(limit);
            page.map(|record| (record.id.clone(), record.applied)).collect()
        })
        .await
    }

    async fn members(&self, conversation: &ConversationId) -> Result<Vec<MemberRecord>, Unavailable> {
        self.reading(|data| data.tables.members(conversation).cloned().collect())
            .await
    }

    async fn members_after(
        &self,
        conversation: &ConversationId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable> {
        self.reading(|data| {
            let members = data.tables.members(conversation);
            let present = members.filter(|member| member.left.is_none());
            let page = present.filter(|member| after.is_none_or(|after| member.user > *after));
            page.take(limit).cloned().collect()
        })
        .await
    }

    async fn members_of(
        &self,
        conversations: &[ConversationId],
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable> {
        self.reading(|data| {
            let conversations = BTreeSet::from_iter(conversations);
            let members = conversations.into_iter().flat_map(|id| data.tables.members(id));
            let present = members.filter(|member| member.left.is_none());
            present.take(limit).cloned().collect()
        })
        .await
    }

    async fn member(
        &self,
        conversation: &ConversationId,
        user: &UserId,
    ) -> Result<Option<MemberRecord>, Unavailable> {
        self.reading(|data| data.tables.member(conversation, user).cloned())
            .await
    }

    async fn sanctions(&self, conversation: &ConversationId) -> Result<Vec<SanctionRecord>, Unavailable> {
        self.reading(|data| data.tables.sanctions(conversation)).await
    }

    async fn sanction(
        &self,
        conversation: &ConversationId,
        user: &UserId,
    ) -> Result<Option<SanctionRecord>, Unavailable> {
        self.reading(|data| {
            let records = data.tables.sanctions(conversation);
            records.into_iter().find(|record| record.user == *user)
        })
        .await
    }

    async fn invites(&self, conversation: &ConversationId) -> Result<Vec<InviteRecord>, Unavailable> {
        self.reading(|data| data.tables.invites(conversation).cloned().collect())
            .await
    }

    async fn memberships(
        &self,
        user: &UserId,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Unavailable> {
        self.reading(|data| {
            data.tables
                .memberships_after(user, after)
                .take(limit)
                .cloned()
                .collect()
        })
        .await
    }

    async fn apply(&self, effects: &[Effect]) -> Result<(), Unavailable> {
        let fault = self.faults.take_apply();
        let is_meeting = |effect: &Effect| matches!(effect, Effect::Meet { .. });
        let (meetings, effects): (Vec<_>, Vec<_>) = effects.iter().cloned().partition(is_meeting);
        let carried_out: &[Effect] = match fault {
            None => &effects,
            Some(ApplyFault::Cut(after)) => &effects[..after.min(effects.len())],
            Some(ApplyFault::Late(time)) => {
                let (store, effects, meetings) = (self.clone(), effects.clone(), meetings.clone());
                tokio::spawn(async move {
                    pause(time).await;
                    let mut replicas = store.replicas.lock();
                    effects
                        .into_iter()
                        .for_each(|effect| replicas.write(Write::Effect(effect)));
                    store.meet(&replicas, &meetings);
                });
                &[]
            }
        };
        self.writing(|replicas, late| {
            let arrived = late.map_or(carried_out.len(), |late| late.part(carried_out.len()));
            for effect in &carried_out[..arrived] {
                replicas.write(Write::Effect(effect.clone()));
            }
            if arrived == effects.len() {
                self.meet(replicas, &meetings);
            }
        })
        .await?;
        if fault.is_some() {
            Err(self.link.unavailable("cut off"))
        } else {
            Ok(())
        }
    }

    async fn mark_applied(&self, marks: &[(ConversationId, Seq)]) -> Result<(), Unavailable> {
        self.writing(|replicas, _| {
            for (conversation, seq) in marks {
                replicas.write(Write::Applied(conversation.clone(), *seq));
            }
        })
        .await
    }

    async fn raise_marks(&self, marks: &[MarksRaised]) -> Result<(), Unavailable> {
        self.writing(|replicas, _| {
            for raised in marks {
                replicas.write(Write::Marks(raised.clone()));
            }
        })
        .await
    }

    async fn hide(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        messages: u64,
    ) -> Result<(), Unavailable> {
        let write = Write::Hidden(conversation.clone(), user.clone(), messages);
        self.writing(|replicas, _| replicas.write(write)).await
    }

    async fn count_members(&self, conversation: &ConversationId) -> Result<u64, Unavailable> {
        self.reading(|data| {
            let members = data.tables.members(conversation);
            members.filter(|member| member.left.is_none()).count() as u64
        })
        .await
    }

    async fn saw_user(&self, user: &UserId, name: Option<&str>) -> Result<(), Unavailable> {
        self.writing(|replicas, _| replicas.write(Write::User(user.clone(), name.map(str::to_owned))))
            .await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.writing(|_, _| ()).await
    }
}
