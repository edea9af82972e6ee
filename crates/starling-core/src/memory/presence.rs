//! Presence: who is connected to which node, and what is kept of users.

use std::collections::BTreeSet;

use async_trait::async_trait;
use bytes::Bytes;
use starling_protocol::UserId;

use super::coordination::MemoryNode;
use super::replicas::Write;
use super::store::MemoryStore;
use crate::ports::{ConnectionId, Incarnation, PresenceIndex, PresenceStore, Remembered, Unavailable};

#[async_trait]
impl PresenceIndex for MemoryNode {
    async fn enter(&self, incarnation: &Incarnation, users: &[UserId]) -> Result<(), Unavailable> {
        self.call(|state, _| {
            let entered = state.keys.nodes.entry(incarnation.clone()).or_default();
            entered.extend(users.iter().cloned());
        })
        .await
    }

    async fn leave(&self, incarnation: &Incarnation, users: &[UserId]) -> Result<(), Unavailable> {
        self.call(|state, _| {
            if let Some(entered) = state.keys.nodes.get_mut(incarnation) {
                entered.retain(|user| !users.contains(user));
            }
        })
        .await
    }

    async fn nodes(&self) -> Result<Vec<Incarnation>, Unavailable> {
        self.call(|state, _| state.keys.nodes.keys().cloned().collect())
            .await
    }

    async fn users_of(&self, incarnation: &Incarnation, limit: usize) -> Result<Vec<UserId>, Unavailable> {
        self.call(|state, _| {
            let entered = state.keys.nodes.get(incarnation).into_iter().flatten();
            entered.take(limit).cloned().collect()
        })
        .await
    }

    async fn forget(&self, incarnation: &Incarnation) -> Result<(), Unavailable> {
        self.call(|state, _| {
            state.keys.nodes.remove(incarnation);
        })
        .await
    }

    async fn set_away(
        &self,
        user: &UserId,
        connection: &ConnectionId,
        away: bool,
    ) -> Result<(), Unavailable> {
        self.call(|state, _| {
            let connections = state.keys.away.entry(user.clone()).or_default();
            if away {
                connections.insert(connection.clone());
            } else {
                connections.remove(connection);
            }
        })
        .await
    }

    async fn away(&self, users: &[UserId]) -> Result<Vec<Vec<ConnectionId>>, Unavailable> {
        self.call(|state, _| {
            let away = |user| state.keys.away.get(user).into_iter().flatten();
            users.iter().map(|user| away(user).cloned().collect()).collect()
        })
        .await
    }

    async fn announce_to_nodes(&self, payload: Bytes, own: &Incarnation) -> Result<(), Unavailable> {
        self.call(|state, _| {
            for node in state.keys.nodes.keys().filter(|node| *node != own) {
                state.subscribers.publish(node, &payload);
            }
        })
        .await
    }
}

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
