//! Leases and sequence counters; see `lua/reserve.lua` and `lua/commit.lua`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;
use starling_core::ports::{
    AfterCommit, Commit, Committed, Incarnation, LeaseState, LeaseToken, Leases, Reservation, Unavailable,
};
use starling_protocol::{ConversationId, Seq};

use crate::client::{millis, number};
use crate::scripts::{ABANDON, COMMIT, RESERVE};
use crate::{Redis, RedisError, keys};

impl Redis {
    /// Two polls missed.
    fn forget_after(&self) -> Duration {
        self.settings().poll_interval * 2
    }
}

#[async_trait]
impl Leases for Redis {
    async fn reserve(
        &self,
        conversation: &ConversationId,
        token: &LeaseToken,
        want: u32,
    ) -> Result<Reservation, Unavailable> {
        let settings = self.settings();
        let keys = vec![
            keys::lock(conversation),
            keys::seq(conversation),
            keys::waiters(conversation),
            keys::polls(conversation),
        ];
        let args = vec![
            token.to_string().into(),
            number(want.into()),
            millis(settings.lease_ttl),
            millis(settings.seq_ttl),
            millis(self.forget_after()),
        ];
        let reply: Vec<Option<Seq>> = self.script("reserve", conversation, &RESERVE, keys, args).await?;
        Ok(match reply.as_slice() {
            [Some(1), counter, head] => Reservation::Granted {
                counter: *counter,
                head: *head,
            },
            _ => Reservation::Waiting,
        })
    }

    async fn commit(&self, commit: Arc<Commit>) -> Result<Committed, Unavailable> {
        let settings = self.settings();
        let conversation = &commit.conversation;
        let keys = vec![
            keys::lock(conversation),
            keys::seq(conversation),
            keys::waiters(conversation),
            keys::polls(conversation),
            keys::route(conversation),
            keys::recent(conversation),
        ];
        let (what, reserve) = match commit.then {
            AfterCommit::Release => ("release", 0),
            AfterCommit::Keep { reserve } => ("keep", reserve),
            AfterCommit::Yield { reserve } => ("yield", reserve),
        };
        let mut args: Vec<Value> = vec![
            commit
                .token
                .as_ref()
                .map(LeaseToken::to_string)
                .unwrap_or_default()
                .into(),
            number(commit.head),
            what.into(),
            number(reserve.into()),
            millis(settings.lease_ttl),
            millis(settings.handover_ttl),
            millis(settings.seq_ttl),
            millis(self.forget_after()),
            commit.payload.clone().into(),
            commit.own.as_str().into(),
            commit.handover.clone().into(),
            number(settings.recent_max_entries as u64),
            millis(settings.recent_ttl),
            number(commit.takes_back.into()),
        ];
        args.extend(commit.entries.iter().cloned().map(Value::from));
        let reply: Vec<Value> = self.script("commit", conversation, &COMMIT, keys, args).await?;
        Ok(committed(reply)?)
    }

    async fn abandon(&self, conversation: &ConversationId, token: &LeaseToken) -> Result<(), Unavailable> {
        let keys = vec![
            keys::lock(conversation),
            keys::waiters(conversation),
            keys::polls(conversation),
        ];
        let args = vec![token.to_string().into()];
        Ok(self.script("abandon", conversation, &ABANDON, keys, args).await?)
    }

    fn ttl(&self) -> Duration {
        self.settings().lease_ttl
    }

    fn poll_interval(&self) -> Duration {
        self.settings().poll_interval
    }
}

fn committed(reply: Vec<Value>) -> Result<Committed, RedisError> {
    let mut reply = reply.into_iter();
    let lease = match reply.next().and_then(|state| state.as_i64()) {
        Some(0) => LeaseState::Kept,
        Some(1) => LeaseState::Released,
        Some(2) => LeaseState::Lost,
        other => {
            let reason = format!("strange answer {other:?}");
            return Err(RedisError::Command {
                operation: "commit",
                reason,
            });
        }
    };
    let route = reply
        .filter_map(|node| node.as_str().map(|node| Incarnation::from_wire(&node)))
        .collect();
    Ok(Committed { lease, route })
}
