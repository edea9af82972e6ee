//! Leases, counters, and the commit that publishes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use starling_protocol::{ConversationId, Seq};
use tokio::time::Instant;

use super::node::{Keys, LocalNode, State, Timing, Way};
use crate::ports::{
    AfterCommit, Commit, Committed, LeaseState, LeaseToken, Leases, Reservation, Unavailable,
};

/// A conversation's lock, its marks and its waiters.
#[derive(Clone, Default)]
pub(crate) struct Slot {
    pub(crate) lock: Option<Lock>,
    pub(crate) counter: Option<Seq>,
    pub(crate) head: Option<Seq>,
    waiters: VecDeque<Waiter>,
}

#[derive(Clone)]
pub(crate) struct Lock {
    token: LeaseToken,
    until: Instant,
}

#[derive(Clone)]
struct Waiter {
    token: LeaseToken,
    until: Instant,
}

impl Slot {
    pub(crate) fn holder(&self, now: Instant) -> Option<&LeaseToken> {
        self.lock
            .as_ref()
            .filter(|lock| lock.until > now)
            .map(|lock| &lock.token)
    }

    pub(crate) fn waiting(&self, now: Instant) -> Vec<LeaseToken> {
        self.waiters
            .iter()
            .filter(|waiter| waiter.until > now)
            .map(|waiter| waiter.token.clone())
            .collect()
    }

    fn reserve(&mut self, token: &LeaseToken, want: u32, timing: &Timing, now: Instant) -> Reservation {
        if self.holder(now).is_some_and(|holder| holder != token) {
            self.wait(token, timing, now);
            return Reservation::Waiting;
        }
        self.forget(token);
        self.hold(token.clone(), timing.lease, now);
        let (counter, head) = (self.counter, self.head);
        self.advance(want);
        Reservation::Granted { counter, head }
    }

    /// The lease after a commit, and to whom it was handed.
    fn commit(&mut self, commit: &Commit, timing: &Timing, now: Instant) -> (LeaseState, Option<LeaseToken>) {
        let Some(token) = commit
            .token
            .as_ref()
            .filter(|token| self.holder(now) == Some(*token))
        else {
            return (LeaseState::Lost, None);
        };
        (self.counter, self.head) = (Some(commit.head), Some(commit.head));
        let heir = match commit.then {
            AfterCommit::Release | AfterCommit::Yield { .. } => self.next_waiter(now),
            AfterCommit::Keep { .. } => None,
        };
        if let Some(heir) = heir {
            self.hold(heir.clone(), timing.handover, now);
            return (LeaseState::Released, Some(heir));
        }
        match commit.then {
            AfterCommit::Release => {
                self.lock = None;
                (LeaseState::Released, None)
            }
            AfterCommit::Keep { reserve } | AfterCommit::Yield { reserve } => {
                self.hold(token.clone(), timing.lease, now);
                self.advance(reserve);
                (LeaseState::Kept, None)
            }
        }
    }

    fn abandon(&mut self, token: &LeaseToken, now: Instant) {
        self.forget(token);
        if self.holder(now) == Some(token) {
            self.lock = None;
        }
    }

    fn hold(&mut self, token: LeaseToken, time: Duration, now: Instant) {
        self.lock = Some(Lock {
            token,
            until: now + time,
        });
    }

    fn advance(&mut self, by: u32) {
        self.counter = Some(self.counter.unwrap_or(0) + Seq::from(by));
    }

    /// Enters a claim among the waiters, or keeps its place.
    fn wait(&mut self, token: &LeaseToken, timing: &Timing, now: Instant) {
        self.waiters.retain(|waiter| waiter.until > now);
        let until = now + 2 * timing.poll;
        match self.waiters.iter_mut().find(|waiter| waiter.token == *token) {
            Some(waiter) => waiter.until = until,
            None => self.waiters.push_back(Waiter {
                token: token.clone(),
                until,
            }),
        }
    }

    fn next_waiter(&mut self, now: Instant) -> Option<LeaseToken> {
        self.waiters.retain(|waiter| waiter.until > now);
        self.waiters.pop_front().map(|waiter| waiter.token)
    }

    fn forget(&mut self, token: &LeaseToken) {
        self.waiters.retain(|waiter| waiter.token != *token);
    }
}

impl Keys {
    pub(crate) fn slot(&mut self, conversation: &ConversationId) -> &mut Slot {
        self.slots.entry(conversation, Slot::default)
    }
}

impl State {
    fn commit(&mut self, commit: &Commit, timing: &Timing, now: Instant) -> Committed {
        let (lease, heir) = self.keys.slot(&commit.conversation).commit(commit, timing, now);
        self.keys.recent.commit(commit);
        let route = self.keys.route(&commit.conversation);
        let others: Vec<_> = route.iter().filter(|id| **id != commit.own).collect();
        // A node that is alone puts together nothing: everybody waits for this.
        if !commit.payload.is_empty() && !others.is_empty() {
            let parts: Vec<&[u8]> = std::iter::once(&commit.payload)
                .chain(&commit.entries)
                .map(AsRef::as_ref)
                .collect();
            let payload = parts.concat().into();
            for incarnation in others {
                self.subscribers.publish(incarnation, &payload);
            }
        }
        // After the payload: the heir has the batch before it appends to it.
        if let Some(heir) = heir.filter(|_| !commit.handover.is_empty()) {
            self.subscribers.publish(&heir.incarnation, &commit.handover);
        }
        Committed { lease, route }
    }
}

#[async_trait]
impl<W: Way> Leases for LocalNode<W> {
    async fn reserve(
        &self,
        conversation: &ConversationId,
        token: &LeaseToken,
        want: u32,
    ) -> Result<Reservation, Unavailable> {
        let timing = self.timing();
        self.call(|state, now| {
            let slot = state.keys.slot(conversation);
            slot.reserve(token, want, &timing, now)
        })
        .await
    }

    async fn commit(&self, commit: Arc<Commit>) -> Result<Committed, Unavailable> {
        let timing = self.timing();
        self.call(|state, now| state.commit(&commit, &timing, now)).await
    }

    async fn abandon(&self, conversation: &ConversationId, token: &LeaseToken) -> Result<(), Unavailable> {
        self.call(|state, now| {
            if let Some(slot) = state.keys.slots.get(conversation) {
                slot.abandon(token, now);
            }
        })
        .await
    }

    fn ttl(&self) -> Duration {
        self.timing().lease
    }

    fn poll_interval(&self) -> Duration {
        self.timing().poll
    }
}
