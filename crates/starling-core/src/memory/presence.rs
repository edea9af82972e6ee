//! What is kept of presence.

use std::collections::BTreeSet;

use async_trait::async_trait;
use starling_protocol::UserId;

use super::replicas::Write;
use super::store::MemoryStore;
use crate::ports::{PresenceStore, Remembered, Unavailable};

#[async_trait]
impl PresenceStore for MemoryStore {
    async fn remembered(&self, users: &[UserId]) -> Result<Vec<Remembered>, Unavailable> {
        self.reading(|data| users.iter().map(|user| data.tables.remembered(user)).collect())
            .await
    }

    async fn set_text(&self, user: &UserId, text: Option<&str>) -> Result<(), Unavailable> {
        let write = Write::PresenceText(user.clone(), text.map(str::to_owned));
        self.writing(|replicas, _| replicas.write(write)).await
    }

    async fn seen(&self, users: &[UserId], at: i64) -> Result<(), Unavailable> {
        self.writing(|replicas, _| {
            for user in users {
                replicas.write(Write::LastSeen(user.clone(), at));
            }
        })
        .await
    }

    async fn sharing(&self, user: &UserId, others: &[UserId]) -> Result<Vec<UserId>, Unavailable> {
        self.reading(|data| {
            let of = |user: &UserId| -> BTreeSet<_> {
                let memberships = data.tables.memberships_after(user, None);
                memberships.map(|member| member.conversation.clone()).collect()
            };
            let own = of(user);
            let shares = |other: &&UserId| !own.is_disjoint(&of(other));
            others.iter().filter(shares).cloned().collect()
        })
        .await
    }
}
