//! Presence: who is connected anywhere, told to those who share a conversation with him.
//!
//! A node never reckons with what another one has told it. Whenever something may have changed for a user (a
//! connection came, went or says something else; a node died) it looks at what is so, and tells all nodes that;
//! each passes on what is news to its sessions. So whoever looks last tells the truth, in whichever order nodes
//! learn of things.

mod audience;
mod burial;
mod state;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use starling_protocol::{
    AskPresences, Availability, ConversationId, Error, ErrorCode, Presence, PresenceState, Presences, Reply,
    SetPresence, UserId,
};
use tokio::time::{Instant, sleep};

pub(crate) use burial::bury;

use crate::SharedFrame;
use crate::chance::HashMap;
use crate::local_rate::LocalRate;
use crate::lru_cache::lru_cache;
use crate::node_message::NodeMessage;
use crate::ports::{RateLimit, Unavailable};
use crate::session::Session;
use crate::shared::Shared;

/// How often it is looked for whom something may have changed.
const ROUND: Duration = Duration::from_millis(100);
/// Users of one look.
const CHUNK: usize = 100;
/// Before looking again where coordination or the store could not be asked.
const AGAIN: Duration = Duration::from_secs(1);
/// Changes by one user, on one node.
const CHANGES: RateLimit = RateLimit {
    per_second: 1,
    burst: 10,
};
/// Users whose presence this node has told of lately, so that it tells only what is news.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");

/// A user's presence, and where those are who may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PresenceNews {
    pub(crate) presence: Presence,
    /// His conversations.
    pub(crate) conversations: Vec<ConversationId>,
    /// Others who may see it, whatever they share.
    pub(crate) users: Vec<UserId>,
}

/// What this node knows of presence.
pub(crate) struct PresenceDesk {
    /// For whom something may have changed, and when to look.
    due: Mutex<HashMap<UserId, Instant>>,
    told: Mutex<LruCache<UserId, (PresenceState, Option<String>)>>,
    changes: LocalRate,
}

impl Default for PresenceDesk {
    fn default() -> Self {
        Self {
            due: Mutex::default(),
            told: Mutex::new(lru_cache(REMEMBERED)),
            changes: LocalRate::new(CHANGES),
        }
    }
}

impl PresenceDesk {
    /// Something has changed for a user.
    pub(crate) fn changed(&self, user: &UserId) {
        self.due.lock().insert(user.clone(), Instant::now());
    }

    /// A connection of this node has ended. Who connects again right away need not be told of.
    pub(crate) fn went(&self, shared: &Shared, user: &UserId) {
        let at = Instant::now() + shared.settings.presence_grace;
        self.due.lock().insert(user.clone(), at);
    }

    fn take_due(&self) -> Vec<UserId> {
        let now = Instant::now();
        let mut due = self.due.lock();
        due.extract_if(|_, at| *at <= now)
            .take(CHUNK)
            .map(|(user, _)| user)
            .collect()
    }

    /// Carries out `presence`. `session`: the connection that says so.
    ///
    /// # Errors
    /// `rate_limited`; `invalid` for a state without a connection; `unavailable`.
    pub(crate) async fn set(
        &self,
        shared: &Shared,
        user: &UserId,
        session: Option<&Session>,
        set: SetPresence,
    ) -> Result<Reply, Error> {
        if set.state.is_some() && session.is_none() {
            return Err(Error::new(
                ErrorCode::Invalid,
                "`state` is a connection's: say it over a WebSocket",
            ));
        }
        self.changes.take(user).map_err(|wait| {
            let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            Error::new(ErrorCode::RateLimited, "you change your presence too often").retry_after(ms)
        })?;
        if let Some(text) = set.text {
            let text = Some(text.trim()).filter(|text| !text.is_empty());
            shared.ports.presence_store.set_text(user, text).await?;
        }
        if let (Some(state), Some(session)) = (set.state, session) {
            let away = state == Availability::Away;
            shared
                .ports
                .presence
                .set_away(user, session.connection(), away)
                .await?;
            session.set_away(away);
        }
        self.changed(user);
        Ok(Reply::Done {})
    }

    /// Carries out `presences`.
    ///
    /// # Errors
    /// `unavailable`.
    pub(crate) async fn ask(
        &self,
        shared: &Shared,
        user: &UserId,
        ask: AskPresences,
    ) -> Result<Reply, Error> {
        let mut asked = Vec::with_capacity(ask.users.len());
        for other in ask.users {
            if !asked.contains(&other) {
                asked.push(other);
            }
        }
        let may_see = audience::seen_by(shared, user, &asked).await?;
        asked.retain(|other| may_see.contains(other));
        let presences = state::look(shared, &asked).await?;
        Ok(Reply::Presences(Presences { presences }))
    }

    /// Looks at what is so for these users, keeps when they were last seen, and tells all nodes.
    async fn settle(&self, shared: &Shared, users: &[UserId]) -> Result<(), Unavailable> {
        let ports = &shared.ports;
        let own = shared.incarnation();
        let (here, elsewhere): (Vec<_>, Vec<_>) = users
            .iter()
            .cloned()
            .partition(|user| shared.sessions.is_connected(user));
        ports.presence.enter(&own, &here).await?;
        ports.presence.leave(&own, &elsewhere).await?;
        let mut presences = state::look(shared, users).await?;
        let gone: Vec<_> = presences
            .iter()
            .filter(|presence| presence.state == PresenceState::Offline)
            .map(|presence| presence.user.clone())
            .collect();
        if !gone.is_empty() {
            let at = crate::time::unix_millis();
            ports.presence_store.seen(&gone, at).await?;
            for presence in &mut presences {
                if presence.state == PresenceState::Offline {
                    presence.last_seen = presence.last_seen.max(Some(at));
                }
            }
        }
        let news = audience::news(shared, presences).await?;
        if news.is_empty() {
            return Ok(());
        }
        self.heard(shared, news.clone());
        let payload = NodeMessage::Presence(news).encode();
        ports.presence.announce_to_nodes(payload, &own).await
    }

    /// Takes in what a node has found, and tells this node's sessions of what is news.
    pub(crate) fn heard(&self, shared: &Shared, news: Vec<PresenceNews>) {
        for news in news {
            let Presence {
                user, state, text, ..
            } = &news.presence;
            let now = (*state, text.clone());
            if self.told.lock().put(user.clone(), now.clone()) == Some(now) {
                continue;
            }
            let audience = audience::here(shared, &news);
            let frame = SharedFrame::presence(news.presence);
            for session in audience {
                session.outbox().push_if_roomy(&frame);
            }
        }
    }
}

/// Looks where something may have changed, until the task is dropped.
pub(crate) async fn follow(shared: Arc<Shared>) {
    loop {
        sleep(ROUND).await;
        loop {
            let users = shared.presences.take_due();
            if users.is_empty() {
                break;
            }
            if let Err(unavailable) = shared.presences.settle(&shared, &users).await {
                tracing::debug!(%unavailable, users = users.len(), "presence not told yet");
                let at = Instant::now() + AGAIN;
                let mut due = shared.presences.due.lock();
                for user in users {
                    due.entry(user).or_insert(at);
                }
                break;
            }
        }
    }
}
