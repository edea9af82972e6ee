//! The session map, the offline index and the token buckets.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use starling_protocol::{ConversationId, Seq, UserId};
use tokio::time::Instant;

use super::node::{Keys, LocalNode, Way};
use crate::ports::{
    Admission, Incarnation, OfflineIndex, RateGrant, RateLimit, RateLimiter, SessionMap, SessionRef,
    Unavailable,
};

/// Conversations that are noted for one user at most; what comes on top is not noted.
const MAX_NOTED: usize = 1_000;

/// What one token of a bucket counts for: it refills by so many a nanosecond and token per second, exactly.
const TOKEN: u128 = 1_000_000_000;

/// What waits for a user who is away.
#[derive(Clone)]
pub(super) struct Queue {
    noted: BTreeMap<ConversationId, Seq>,
    until: Instant,
}

/// A token bucket; a missing one is full.
#[derive(Clone)]
pub(super) struct Bucket {
    level: u128,
    at: Instant,
}

impl Keys {
    pub(crate) fn sessions_of(&self, user: &UserId) -> Vec<SessionRef> {
        let sessions = self.sessions.get(user).into_iter().flatten();
        sessions
            .map(|(connection, incarnation)| SessionRef {
                connection: connection.clone(),
                incarnation: incarnation.clone(),
            })
            .collect()
    }

    pub(crate) fn pending(&mut self, user: &UserId, now: Instant) -> Vec<(ConversationId, Seq)> {
        let queue = self.queues.get(user).filter(|queue| queue.until > now);
        queue.map_or_else(Vec::new, |queue| queue.noted.clone().into_iter().collect())
    }

    fn connect(
        &mut self,
        user: &UserId,
        session: &SessionRef,
        limit: Option<usize>,
        dead: &[Incarnation],
    ) -> Admission {
        let sessions = self.sessions.entry(user.clone()).or_default();
        sessions.retain(|_, incarnation| !dead.contains(incarnation));
        if !sessions.contains_key(&session.connection) && limit.is_some_and(|limit| sessions.len() >= limit) {
            return Admission::Full;
        }
        sessions.insert(session.connection.clone(), session.incarnation.clone());
        Admission::Admitted
    }

    fn disconnect(&mut self, user: &UserId, session: &SessionRef) {
        if let Some(sessions) = self.sessions.get_mut(user)
            && sessions.get(&session.connection) == Some(&session.incarnation)
        {
            sessions.remove(&session.connection);
            if sessions.is_empty() {
                self.sessions.remove(user);
            }
        }
    }

    fn enqueue(
        &mut self,
        user: &UserId,
        conversation: &ConversationId,
        seq: Seq,
        until: Instant,
        now: Instant,
    ) {
        let fresh = || Queue {
            noted: BTreeMap::new(),
            until,
        };
        let queue = self.queues.entry(user, fresh);
        if queue.until <= now {
            *queue = fresh();
        }
        if queue.noted.contains_key(conversation) || queue.noted.len() < MAX_NOTED {
            queue.noted.entry(conversation.clone()).or_insert(seq);
            queue.until = until;
        }
    }

    /// What is noted beyond the mark was not sent: it stays, even where the caller's head is older than it.
    fn delivered(&mut self, user: &UserId, conversation: &ConversationId, mark: Seq, head: Seq) {
        let Some(queue) = self.queues.get(user) else {
            return;
        };
        let Some(noted) = queue.noted.get_mut(conversation).filter(|noted| **noted <= mark) else {
            return;
        };
        if mark >= head {
            queue.noted.remove(conversation);
            if queue.noted.is_empty() {
                self.queues.remove(user);
            }
        } else {
            *noted = mark + 1;
        }
    }

    fn take(&mut self, user: &UserId, want: u32, limit: RateLimit, now: Instant) -> RateGrant {
        let (size, rate) = (u128::from(limit.burst) * TOKEN, u128::from(limit.per_second));
        let bucket = self.buckets.entry(user, || Bucket { level: size, at: now });
        let refill = now.saturating_duration_since(bucket.at).as_nanos() * rate;
        bucket.level = (bucket.level + refill).min(size);
        bucket.at = now;

        let there = u32::try_from(bucket.level / TOKEN).unwrap_or(u32::MAX);
        let granted = want.min(there);
        bucket.level -= u128::from(granted) * TOKEN;
        let missing = if granted == 0 {
            TOKEN.saturating_sub(bucket.level)
        } else {
            0
        };
        // A bucket that never refills has no such moment; any long time will do.
        let wait = missing.div_ceil(rate.max(1));
        RateGrant {
            granted,
            retry_after: Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)),
        }
    }
}

#[async_trait]
impl<W: Way> SessionMap for LocalNode<W> {
    async fn connect(
        &self,
        user: &UserId,
        session: &SessionRef,
        limit: Option<usize>,
        dead: &[Incarnation],
    ) -> Result<Admission, Unavailable> {
        self.call(|state, _| state.keys.connect(user, session, limit, dead))
            .await
    }

    async fn disconnect(&self, user: &UserId, session: &SessionRef) -> Result<(), Unavailable> {
        self.call(|state, _| state.keys.disconnect(user, session)).await
    }

    async fn sessions(&self, users: &[UserId]) -> Result<Vec<Vec<SessionRef>>, Unavailable> {
        self.call(|state, _| users.iter().map(|user| state.keys.sessions_of(user)).collect())
            .await
    }
}

#[async_trait]
impl<W: Way> OfflineIndex for LocalNode<W> {
    async fn enqueue(
        &self,
        conversation: &ConversationId,
        seq: Seq,
        users: &[UserId],
    ) -> Result<(), Unavailable> {
        let lasts = self.timing().queue;
        self.call(|state, now| {
            users
                .iter()
                .for_each(|user| state.keys.enqueue(user, conversation, seq, now + lasts, now));
        })
        .await
    }

    async fn pending(&self, user: &UserId) -> Result<Vec<(ConversationId, Seq)>, Unavailable> {
        self.call(|state, now| state.keys.pending(user, now)).await
    }

    async fn delivered(
        &self,
        user: &UserId,
        conversation: &ConversationId,
        mark: Seq,
        head: Seq,
    ) -> Result<(), Unavailable> {
        self.call(|state, _| state.keys.delivered(user, conversation, mark, head))
            .await
    }
}

#[async_trait]
impl<W: Way> RateLimiter for LocalNode<W> {
    async fn take(&self, user: &UserId, want: u32, limit: RateLimit) -> Result<RateGrant, Unavailable> {
        self.call(|state, now| state.keys.take(user, want, limit, now))
            .await
    }
}
