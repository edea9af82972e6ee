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
use crate::ports::{ConnectionId, RateLimit, SanctionRecord};
use crate::shared::Shared;
use crate::time::unix_millis;

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
        let announce = if !change.typing {
            self.ended(shared, &change.conversation, &change.user)
        } else if let Some(again) = self.goes_on(shared, &change, connection) {
            again
        } else {
            let may_begin = self.may_begin(&change.user) && may_speak(shared, &change).await;
            may_begin && self.begins(shared, &change, connection)
        };
        if announce {
            announce_change(shared, change).await;
        }
    }

    /// Of one who types already: whether other nodes are to hear it again.
    fn goes_on(
        &self,
        shared: &Shared,
        change: &TypingChange,
        connection: Option<&ConnectionId>,
    ) -> Option<bool> {
        let now = Instant::now();
        let mut typing = self.typing.lock();
        let typist = typing.get_mut(&(change.conversation.clone(), change.user.clone()))?;
        typist.until = now + shared.settings.typing_expiry;
        typist.connection = connection.cloned();
        let again = typist.announced.is_none_or(|announced| now - announced >= REPEAT);
        if again {
            typist.announced = Some(now);
        }
        Some(again)
    }

    fn may_begin(&self, user: &UserId) -> bool {
        let may = self.typing.lock().len() < MAX_TYPISTS && self.starts.take(user).is_ok();
        if !may {
            dropped("rate");
        }
        may
    }

    /// Whether other nodes are to hear of it.
    fn begins(&self, shared: &Shared, change: &TypingChange, connection: Option<&ConnectionId>) -> bool {
        let now = Instant::now();
        let typist = Typist {
            until: now + shared.settings.typing_expiry,
            connection: connection.cloned(),
            announced: Some(now),
        };
        let key = (change.conversation.clone(), change.user.clone());
        if self.typing.lock().insert(key, typist).is_some() {
            // He has said so by another connection meanwhile.
            return false;
        }
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
                dropped("rate");
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

/// Whether a member may be heard of: one who is muted does not speak. Asked for each beginning, of which there are few.
/// What cannot be found out now is not passed on.
async fn may_speak(shared: &Shared, change: &TypingChange) -> bool {
    let directory = &shared.ports.directory;
    let found = directory.sanction(&change.conversation, &change.user).await;
    let reason = match found {
        Ok(Some(SanctionRecord {
            muted_until: Some(until),
            ..
        })) if unix_millis() < until => "muted",
        Ok(_) => return true,
        Err(_) => "unavailable",
    };
    dropped(reason);
    false
}

fn dropped(reason: &'static str) {
    metrics::counter!("starling_signals_dropped_total", "reason" => reason).increment(1);
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
    let bus = &shared.ports.bus;
    let own = shared.incarnation();
    // Best effort: a typist who goes on says so again.
    if let Ok(routes) = bus.routes(std::slice::from_ref(&change.conversation)).await {
        let others: Vec<_> = routes.into_iter().flatten().filter(|node| *node != own).collect();
        let _ = bus.publish(&others, NodeMessage::Typing(change).encode()).await;
    }
}

/// Ends what nobody has repeated, until the task is dropped.
pub(crate) async fn expire(shared: Arc<Shared>) {
    loop {
        sleep(SWEEP).await;
        shared.typists.expire(&shared);
    }
}
