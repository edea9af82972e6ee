//! Who is connected to which node, and who is away.

use std::collections::BTreeSet;

use async_trait::async_trait;
use bytes::Bytes;
use starling_protocol::UserId;

use super::node::{LocalNode, Way};
use crate::ports::{ConnectionId, Incarnation, PresenceIndex, Unavailable};

#[async_trait]
impl<W: Way> PresenceIndex for LocalNode<W> {
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
            let connections = state.keys.away.entry(user, BTreeSet::new);
            if away {
                connections.insert(connection.clone());
            } else {
                connections.remove(connection);
            }
            if connections.is_empty() {
                state.keys.away.remove(user);
            }
        })
        .await
    }

    async fn away(&self, users: &[UserId]) -> Result<Vec<Vec<ConnectionId>>, Unavailable> {
        self.call(|state, _| {
            let away = |user: &UserId| match state.keys.away.get(user) {
                Some(connections) => connections.iter().cloned().collect(),
                None => Vec::new(),
            };
            users.iter().map(away).collect()
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
