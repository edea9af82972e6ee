//! The offline index: per user a hash of conversation → first seq that was not sent.

use std::collections::HashMap;

use async_trait::async_trait;
use fred::interfaces::HashesInterface;
use fred::types::Value;
use futures::future::try_join_all;
use starling_core::ports::{OfflineIndex, Unavailable};
use starling_protocol::{ConversationId, Seq, UserId};

use crate::client::{millis, number};
use crate::scripts::{DELIVERED, ENQUEUE};
use crate::{Redis, keys};

#[async_trait]
impl OfflineIndex for Redis {
    async fn enqueue(
        &self,
        conversation: &ConversationId,
        seq: Seq,
        users: &[UserId],
    ) -> Result<(), Unavailable> {
        let settings = self.settings();
        let args: [Value; 4] = [
            conversation.as_str().into(),
            number(seq),
            number(settings.queue_max_conversations as u64),
            millis(settings.queue_ttl),
        ];
        let noted = try_join_all(users.iter().map(|user| {
            self.script::<i64, _>("enqueue", user, &ENQUEUE, vec![keys::queue(user)], args.to_vec())
        }))
        .await?;
        let full = noted.iter().filter(|noted| **noted == 0).count();
        if full > 0 {
            metrics::counter!("starling_offline_dropped_total", "reason" => "full").increment(full as u64);
        }
        Ok(())
    }

    async fn pending(&self, user: &UserId) -> Result<Vec<(ConversationId, Seq)>, Unavailable> {
        let noted: HashMap<String, Seq> = self
            .run("pending", user, |redis| async move {
                redis.hgetall(keys::queue(user)).await
            })
            .await?;
        Ok(noted
            .into_iter()
            .filter_map(|(id, seq)| Some((ConversationId::new(id).ok()?, seq)))
            .collect())
    }

    async fn delivered(
        &self,
        user: &UserId,
        conversation: &ConversationId,
        mark: Seq,
        head: Seq,
    ) -> Result<(), Unavailable> {
        let args = vec![
            conversation.as_str().into(),
            number(mark),
            number(mark.saturating_add(1)),
            number(head),
        ];
        Ok(self
            .script("delivered", user, &DELIVERED, vec![keys::queue(user)], args)
            .await?)
    }
}
