//! The directory's port over the tables.

use async_trait::async_trait;
use starling_protocol::{ConversationId, Seq, UserId};

use super::store::MemoryStore;
use crate::ports::{ConversationRecord, Directory, Effect, MemberRecord, Unavailable};

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

    async fn member(
        &self,
        conversation: &ConversationId,
        user: &UserId,
    ) -> Result<Option<MemberRecord>, Unavailable> {
        self.reading(|data| data.tables.member(conversation, user).cloned())
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
        let cut = self.faults.take_cut_apply();
        let carried_out = &effects[..cut.unwrap_or(effects.len()).min(effects.len())];
        self.link
            .call(|| {
                let tables = &mut self.data.lock().tables;
                carried_out.iter().for_each(|effect| tables.apply(effect));
            })
            .await?;
        if cut.is_some() {
            Err(self.link.unavailable("cut off"))
        } else {
            Ok(())
        }
    }

    async fn mark_applied(&self, marks: &[(ConversationId, Seq)]) -> Result<(), Unavailable> {
        self.link
            .call(|| {
                let tables = &mut self.data.lock().tables;
                marks
                    .iter()
                    .for_each(|(conversation, seq)| tables.mark_applied(conversation, *seq));
            })
            .await
    }

    async fn mark_delivered(&self, marks: &[(ConversationId, UserId, Seq)]) -> Result<(), Unavailable> {
        self.link
            .call(|| {
                let tables = &mut self.data.lock().tables;
                for (conversation, user, seq) in marks {
                    tables.mark_delivered(conversation, user, *seq);
                }
            })
            .await
    }

    async fn saw_user(&self, user: &UserId, name: Option<&str>) -> Result<(), Unavailable> {
        self.link
            .call(|| self.data.lock().tables.saw_user(user, name))
            .await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.link.call(|| ()).await
    }
}
