//! Liveness, routes, and publishing outside of commits. What is heard comes from [`crate::subscriber`].

use async_trait::async_trait;
use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface, PubsubInterface, SetsInterface};
use fred::types::{Expiration, Value};
use futures::future::try_join_all;
use starling_core::ports::{Bus, BusEvent, Incarnation, Unavailable};
use starling_protocol::ConversationId;
use tokio::sync::mpsc;

use crate::client::millis;
use crate::scripts::JOIN_ROUTE;
use crate::{Redis, keys};

/// How many commands of one call are in flight at once.
const IN_FLIGHT: usize = 256;

#[async_trait]
impl Bus for Redis {
    async fn listen(
        &self,
        incarnation: &Incarnation,
        into: mpsc::Sender<BusEvent>,
    ) -> Result<(), Unavailable> {
        // Heard first, alive then: whoever finds it alive may count on its hearing.
        self.subscriber().listen(keys::node(incarnation), into).await?;
        let ttl = self.liveness_ms();
        let set = |redis: Client| async move {
            redis
                .set(
                    keys::alive(incarnation),
                    1,
                    Some(Expiration::PX(ttl)),
                    None,
                    false,
                )
                .await
        };
        Ok(self.run("listen", incarnation, set).await?)
    }

    async fn keep_alive(&self, incarnation: &Incarnation) -> Result<bool, Unavailable> {
        let ttl = self.liveness_ms();
        let renew = |redis: Client| async move { redis.pexpire(keys::alive(incarnation), ttl, None).await };
        Ok(self.run("keep_alive", incarnation, renew).await?)
    }

    async fn retire(&self, incarnation: &Incarnation) -> Result<(), Unavailable> {
        let end = |redis: Client| async move { redis.del(keys::alive(incarnation)).await };
        Ok(self.run("retire", incarnation, end).await?)
    }

    async fn alive(&self, incarnations: &[Incarnation]) -> Result<Vec<bool>, Unavailable> {
        let ask = incarnations.iter().map(|incarnation| {
            self.run("alive", incarnation, move |redis| async move {
                redis.exists(keys::alive(incarnation)).await
            })
        });
        Ok(try_join_all(ask).await?)
    }

    async fn publish(&self, to: &[Incarnation], payload: Bytes) -> Result<(), Unavailable> {
        let publish = to.iter().map(|incarnation| {
            let payload = &payload;
            self.run("publish", incarnation, move |redis| async move {
                redis
                    .publish::<(), _, _>(keys::node(incarnation), payload.clone())
                    .await
            })
        });
        try_join_all(publish).await?;
        Ok(())
    }

    async fn routes(&self, conversations: &[ConversationId]) -> Result<Vec<Vec<Incarnation>>, Unavailable> {
        let found: Vec<Vec<String>> = self
            .run_for_each("routes", conversations, async |redis, conversation| {
                redis.smembers(keys::route(conversation)).await
            })
            .await?;
        let nodes = |found: Vec<String>| found.iter().map(|node| Incarnation::from_wire(node)).collect();
        Ok(found.into_iter().map(nodes).collect())
    }

    async fn join_routes(
        &self,
        conversations: &[ConversationId],
        incarnation: &Incarnation,
    ) -> Result<(), Unavailable> {
        let args: [Value; 2] = [incarnation.as_str().into(), millis(self.settings().route_ttl)];
        for conversations in conversations.chunks(IN_FLIGHT) {
            try_join_all(conversations.iter().map(|conversation| {
                let keys = vec![keys::route(conversation)];
                self.script::<(), _>("join_routes", conversation, &JOIN_ROUTE, keys, args.to_vec())
            }))
            .await?;
        }
        Ok(())
    }

    async fn leave_route(
        &self,
        conversation: &ConversationId,
        incarnations: &[Incarnation],
    ) -> Result<(), Unavailable> {
        if incarnations.is_empty() {
            return Ok(());
        }
        let nodes: Vec<&str> = incarnations.iter().map(Incarnation::as_str).collect();
        let leave = |redis: Client| {
            let nodes = nodes.clone();
            async move { redis.srem(keys::route(conversation), nodes).await }
        };
        Ok(self.run("leave_route", conversation, leave).await?)
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        Ok(self
            .run("ping", "ping", |redis| async move { redis.ping(None).await })
            .await?)
    }
}

impl Redis {
    fn liveness_ms(&self) -> i64 {
        i64::try_from(self.settings().liveness_ttl.as_millis()).unwrap_or(i64::MAX)
    }
}
