//! The queue of conversations with events.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use starling_protocol::ConversationId;
use tokio::time::Instant;

use super::bounded::AT_MOST;
use super::node::{LocalNode, Way};
use crate::ports::{EventQueue, LeaseToken, Taken, Unavailable};

/// Conversations that a sink is to be told of, [`AT_MOST`] of them.
#[derive(Clone, Default)]
pub(super) struct Waiting {
    places: HashMap<ConversationId, Place>,
    /// All of them, the longest due first.
    order: BTreeSet<(Instant, ConversationId)>,
}

#[derive(Clone)]
struct Place {
    due: Instant,
    claim: Option<Claim>,
}

#[derive(Clone)]
struct Claim {
    token: LeaseToken,
    /// It was put in again meanwhile.
    again: bool,
}

impl Waiting {
    fn put(&mut self, conversation: &ConversationId, now: Instant) {
        if let Some(place) = self.places.get_mut(conversation) {
            if let Some(claim) = &mut place.claim {
                claim.again = true;
            }
        } else if self.places.len() < AT_MOST.get() {
            self.place(conversation.clone(), now, None);
        }
    }

    fn take(
        &mut self,
        token: &LeaseToken,
        limit: usize,
        until: Instant,
        now: Instant,
    ) -> Vec<ConversationId> {
        let due = self.order.iter().take_while(|(due, _)| *due <= now).take(limit);
        let due: Vec<_> = due.map(|(_, conversation)| conversation.clone()).collect();
        for conversation in &due {
            let claim = Claim {
                token: token.clone(),
                again: false,
            };
            self.place(conversation.clone(), until, Some(claim));
        }
        due
    }

    fn give_back(
        &mut self,
        conversation: &ConversationId,
        token: &LeaseToken,
        after: Option<Duration>,
        now: Instant,
    ) {
        let claim = self
            .places
            .get(conversation)
            .and_then(|place| place.claim.as_ref());
        let Some(claim) = claim.filter(|claim| claim.token == *token) else {
            return;
        };
        match after {
            Some(after) => self.place(conversation.clone(), now + after, None),
            None if claim.again => self.place(conversation.clone(), now, None),
            None => self.remove(conversation),
        }
    }

    fn place(&mut self, conversation: ConversationId, due: Instant, claim: Option<Claim>) {
        self.remove(&conversation);
        self.order.insert((due, conversation.clone()));
        self.places.insert(conversation, Place { due, claim });
    }

    fn remove(&mut self, conversation: &ConversationId) {
        if let Some((conversation, place)) = self.places.remove_entry(conversation) {
            self.order.remove(&(place.due, conversation));
        }
    }
}

#[async_trait]
impl<W: Way> EventQueue for LocalNode<W> {
    async fn put(&self, sink: &'static str, conversations: &[ConversationId]) -> Result<(), Unavailable> {
        self.call(|state, now| {
            let waiting = state.keys.events.entry(sink).or_default();
            conversations.iter().for_each(|id| waiting.put(id, now));
        })
        .await
    }

    async fn take(
        &self,
        sink: &'static str,
        claim: &LeaseToken,
        limit: usize,
        time: Duration,
    ) -> Result<Taken, Unavailable> {
        self.call(|state, now| {
            let waiting = state.keys.events.entry(sink).or_default();
            Taken {
                conversations: waiting.take(claim, limit, now + time, now),
                waiting: waiting.places.len() as u64,
            }
        })
        .await
    }

    async fn give_back(
        &self,
        sink: &'static str,
        claim: &LeaseToken,
        conversations: &[(ConversationId, Option<Duration>)],
    ) -> Result<(), Unavailable> {
        self.call(|state, now| {
            let waiting = state.keys.events.entry(sink).or_default();
            for (conversation, after) in conversations {
                waiting.give_back(conversation, claim, *after, now);
            }
        })
        .await
    }
}
