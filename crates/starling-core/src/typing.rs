//! Who is typing: told to the other members' sessions on all nodes, never stored, lossy by design.
//!
//! Each node ends by itself what it was told: after a while without a repetition, with the typist's message, with
//! his membership. So a node that dies takes no typist along for ever.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use starling_protocol::{Body, ConversationId, Entry, TypingChange, UserId};
use tokio::time::{Instant, sleep};

use crate::chance::HashMap;
use crate::local_rate::LocalRate;
use crate::node_message::NodeMessage;
use crate::ports::{ConnectionId, RateLimit};
use crate::shared::Shared;

/// How often a user may begin to type, on one node; what is beyond is dropped.
const STARTS: RateLimit = RateLimit {
    per_second: 1,
    burst: 10,
};
/// A typist who says so again is told of again to other nodes, so that they do not end it, after this long.
const REPEAT: Duration = Duration::from_secs(3);
/// How often it is looked who has not said so again.
const SWEEP: Duration = Duration::from_secs(1);
/// Typists that are remembered; more are not told of.
const MAX_TYPISTS: usize = 10_000;

/// The typists that this node knows of.
pub(crate) struct Typists {
    typing: Mutex<HashMap<(ConversationId, UserId), Typist>>,
    starts: LocalRate,
}

struct Typist {
    until: Instant,
    /// The connection of this node that said so last.
    connection: Option<ConnectionId>,
    /// When this node last announced it.
    announced: Option<Instant>,
}

impl Default for Typists {
    fn default() -> Self {
        Self {
            typing: Mutex::default(),
            starts: LocalRate::new(STARTS),
        }
    }
}

impl Typists {
    /// A connection of this node (`None`: a request) says whether its user, a member, is typing.
    pub(crate) async fn says(
        &self,
        shared: &Shared,
        change: TypingChange,
        connection: Option<&ConnectionId>,
    ) {
        let announce = if change.typing {
            self.starts(shared, &change, connection)
        } else {
            self.ended(shared, &change.conversation, &change.user)
        };
        if announce {
            announce_change(shared, change).await;
        }
    }

    /// Whether other nodes are to hear of it.
    fn starts(&self, shared: &Shared, change: &TypingChange, connection: Option<&ConnectionId>) -> bool {
        let now = Instant::now();
        let until = now + shared.settings.typing_expiry;
        let mut typing = self.typing.lock();
        let key = (change.conversation.clone(), change.user.clone());
        if let Some(typist) = typing.get_mut(&key) {
            typist.until = until;
            typist.connection = connection.cloned();
            let again = typist.announced.is_none_or(|announced| now - announced >= REPEAT);
            if again {
                typist.announced = Some(now);
            }
            return again;
        }
        if typing.len() >= MAX_TYPISTS || self.starts.take(&change.user).is_err() {
            metrics::counter!("starling_signals_dropped_total", "reason" => "rate").increment(1);
            return false;
        }
        let typist = Typist {
            until,
            connection: connection.cloned(),
            announced: Some(now),
        };
        typing.insert(key, typist);
        drop(typing);
        shared.delivery.tell_typing(change.clone());
        true
    }

    /// Ends it here; whether it was known.
    fn ended(&self, shared: &Shared, conversation: &ConversationId, user: &UserId) -> bool {
        let key = (conversation.clone(), user.clone());
        let known = self.typing.lock().remove(&key).is_some();
        if known {
            tell_end(shared, key);
        }
        known
    }

    /// Another node says so.
    pub(crate) fn heard(&self, shared: &Shared, change: TypingChange) {
        if !change.typing {
            self.ended(shared, &change.conversation, &change.user);
            return;
        }
        if !shared.delivery.has_sessions(&change.conversation) {
            return;
        }
        let until = Instant::now() + shared.settings.typing_expiry;
        {
            let mut typing = self.typing.lock();
            let key = (change.conversation.clone(), change.user.clone());
            if let Some(typist) = typing.get_mut(&key) {
                typist.until = until;
                return;
            }
            if typing.len() >= MAX_TYPISTS {
                metrics::counter!("starling_signals_dropped_total", "reason" => "rate").increment(1);
                return;
            }
            let typist = Typist {
                until,
                connection: None,
                announced: None,
            };
            typing.insert(key, typist);
        }
        shared.delivery.tell_typing(change);
    }

    /// These entries are delivered here: whoever has said something, or is no member any more, does not type.
    pub(crate) fn delivered(&self, shared: &Shared, entries: &[Arc<Entry>]) {
        if self.typing.lock().is_empty() {
            return;
        }
        for entry in entries {
            let typist = match &entry.body {
                Body::Muted { user, .. } => Some(user),
                body if body.is_message() => entry.sender.as_ref(),
                body => body.ends_membership(),
            };
            if let Some(user) = typist {
                self.ended(shared, &entry.conversation, user);
            }
        }
    }

    /// A connection of this node has ended.
    pub(crate) fn gone(&self, shared: &Arc<Shared>, connection: &ConnectionId) {
        let gone: Vec<_> = self
            .typing
            .lock()
            .extract_if(|_, typist| typist.connection.as_ref() == Some(connection))
            .map(|(key, _)| key)
            .collect();
        for key in gone {
            tell_end(shared, key.clone());
            let shared = shared.clone();
            tokio::spawn(async move { announce_change(&shared, end_of(key)).await });
        }
    }

    fn expire(&self, shared: &Shared) {
        let now = Instant::now();
        let expired: Vec<_> = self
            .typing
            .lock()
            .extract_if(|_, typist| typist.until <= now)
            .map(|(key, _)| key)
            .collect();
        for key in expired {
            tell_end(shared, key);
        }
    }
}

fn end_of((conversation, user): (ConversationId, UserId)) -> TypingChange {
    TypingChange {
        conversation,
        user,
        typing: false,
    }
}

fn tell_end(shared: &Shared, key: (ConversationId, UserId)) {
    shared.delivery.tell_typing(end_of(key));
}

async fn announce_change(shared: &Shared, change: TypingChange) {
    if shared.coordination_is_down() {
        return;
    }
    let id = change.conversation.clone();
    let payload = NodeMessage::Typing(change).encode();
    let own = shared.incarnation();
    // Best effort: a typist who goes on says so again.
    let _ = shared.ports.bus.announce(&id, payload, &own).await;
}

/// Ends what nobody has repeated, until the task is dropped.
pub(crate) async fn expire(shared: Arc<Shared>) {
    loop {
        sleep(SWEEP).await;
        shared.typists.expire(&shared);
    }
}
