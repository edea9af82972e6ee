//! The queue of conversations that a sink is to be told of: a sorted set by when each is due, and a hash of who has
//! taken which.

use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;
use starling_core::ports::{EventQueue, LeaseToken, Taken, Unavailable};
use starling_protocol::ConversationId;

use crate::client::{millis, number};
use crate::scripts::{GIVE_BACK_EVENTS, PUT_EVENTS, TAKE_EVENTS};
use crate::{Redis, RedisError, keys};

/// Conversations of one command, far below what Lua can unpack.
const CHUNK: usize = 500;

#[async_trait]
impl EventQueue for Redis {
    async fn put(&self, sink: &'static str, conversations: &[ConversationId]) -> Result<(), Unavailable> {
        for chunk in conversations.chunks(CHUNK) {
            let mut args = vec![
                number(self.settings().events_max_conversations as u64),
                millis(self.settings().events_ttl),
            ];
            args.extend(chunk.iter().map(|id| Value::from(id.as_str())));
            let keys = vec![keys::events(sink), keys::taken(sink)];
            let () = self.script("put_events", sink, &PUT_EVENTS, keys, args).await?;
        }
        Ok(())
    }

    async fn take(
        &self,
        sink: &'static str,
        claim: &LeaseToken,
        limit: usize,
        time: Duration,
    ) -> Result<Taken, Unavailable> {
        let args = vec![
            claim.to_string().into(),
            number(limit.min(CHUNK) as u64),
            millis(time),
            millis(self.settings().events_ttl),
        ];
        let keys = vec![keys::events(sink), keys::taken(sink)];
        let reply: Vec<Value> = self.script("take_events", sink, &TAKE_EVENTS, keys, args).await?;
        Ok(taken(reply)?)
    }

    async fn give_back(
        &self,
        sink: &'static str,
        claim: &LeaseToken,
        conversations: &[(ConversationId, Option<Duration>)],
    ) -> Result<(), Unavailable> {
        for chunk in conversations.chunks(CHUNK) {
            let mut args = vec![claim.to_string().into()];
            for (conversation, after) in chunk {
                args.push(conversation.as_str().into());
                args.push(after.map_or_else(|| "-1".into(), millis));
            }
            let keys = vec![keys::events(sink), keys::taken(sink)];
            let () = self
                .script("give_back_events", sink, &GIVE_BACK_EVENTS, keys, args)
                .await?;
        }
        Ok(())
    }
}

fn taken(reply: Vec<Value>) -> Result<Taken, RedisError> {
    let mut reply = reply.into_iter();
    let waiting = reply.next().and_then(|count| count.as_u64());
    let Some(waiting) = waiting else {
        return Err(RedisError::Command {
            operation: "take_events",
            reason: "it says not how many wait".into(),
        });
    };
    Ok(Taken {
        conversations: reply
            .filter_map(|id| ConversationId::new(id.as_str()?).ok())
            .collect(),
        waiting,
    })
}
