//! Presence: the nodes, the users who are connected to each, the connections that say they are away.

use async_trait::async_trait;
use bytes::Bytes;
use fred::interfaces::SetsInterface;
use fred::types::{Key, Value};
use starling_core::ports::{ConnectionId, Incarnation, PresenceIndex, Unavailable};
use starling_protocol::UserId;

use crate::client::millis;
use crate::scripts::{ADD_TO_SET, ANNOUNCE};
use crate::{Redis, RedisError, keys};

/// Users of one command, far below what Lua can unpack.
const CHUNK: usize = 500;

#[async_trait]
impl PresenceIndex for Redis {
    async fn enter(&self, incarnation: &Incarnation, users: &[UserId]) -> Result<(), Unavailable> {
        for users in users.chunks(CHUNK) {
            let users = users.iter().map(UserId::as_str);
            self.add("enter", keys::users(incarnation), users).await?;
        }
        // Last: whoever finds the node finds its users.
        Ok(self
            .add("enter", keys::nodes(), std::iter::once(incarnation.as_str()))
            .await?)
    }

    async fn leave(&self, incarnation: &Incarnation, users: &[UserId]) -> Result<(), Unavailable> {
        for users in users.chunks(CHUNK) {
            let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
            self.run("leave", incarnation, |redis| {
                let users = users.clone();
                async move { redis.srem::<(), _, _>(keys::users(incarnation), users).await }
            })
            .await?;
        }
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<Incarnation>, Unavailable> {
        let nodes: Vec<String> = self
            .run("nodes", "nodes", |redis| async move {
                redis.smembers(keys::nodes()).await
            })
            .await?;
        Ok(nodes.iter().map(|node| Incarnation::from_wire(node)).collect())
    }

    async fn users_of(&self, incarnation: &Incarnation, limit: usize) -> Result<Vec<UserId>, Unavailable> {
        let users: Vec<String> = self
            .run("users_of", incarnation, |redis| async move {
                redis.srandmember(keys::users(incarnation), Some(limit)).await
            })
            .await?;
        Ok(users
            .into_iter()
            .filter_map(|user| UserId::new(user).ok())
            .collect())
    }

    async fn forget(&self, incarnation: &Incarnation) -> Result<(), Unavailable> {
        Ok(self
            .run("forget", "nodes", |redis| async move {
                redis.srem(keys::nodes(), incarnation.as_str()).await
            })
            .await?)
    }

    async fn set_away(
        &self,
        user: &UserId,
        connection: &ConnectionId,
        away: bool,
    ) -> Result<(), Unavailable> {
        if away {
            let connection = std::iter::once(connection.as_str());
            return Ok(self.add("set_away", keys::away(user), connection).await?);
        }
        Ok(self
            .run("set_away", user, |redis| async move {
                redis.srem(keys::away(user), connection.as_str()).await
            })
            .await?)
    }

    async fn away(&self, users: &[UserId]) -> Result<Vec<Vec<ConnectionId>>, Unavailable> {
        let found: Vec<Vec<String>> = self
            .run_for_each("away", users, async |redis, user| {
                redis.smembers(keys::away(user)).await
            })
            .await?;
        let away = |found: Vec<String>| found.iter().map(|id| ConnectionId::from_wire(id)).collect();
        Ok(found.into_iter().map(away).collect())
    }

    async fn announce_to_nodes(&self, payload: Bytes, own: &Incarnation) -> Result<(), Unavailable> {
        let args: Vec<Value> = vec![payload.into(), own.as_str().into()];
        Ok(self
            .script("announce", "nodes", &ANNOUNCE, vec![keys::nodes()], args)
            .await?)
    }
}

impl Redis {
    async fn add(
        &self,
        operation: &'static str,
        set: Key,
        members: impl Iterator<Item = &str>,
    ) -> Result<(), RedisError> {
        let mut args = vec![millis(self.settings().session_ttl)];
        args.extend(members.map(Value::from));
        let subject = set.clone();
        self.script(operation, &subject, &ADD_TO_SET, vec![set], args)
            .await
    }
}
