//! What belongs to one connection and goes with it: its clocks, and what the streams have asked of it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use starling_protocol::{ClientFrame, Command, ConversationId, History};
use tokio::time::Instant;

use crate::backoff::{self, SETTLED};
use crate::connection::Connection;
use crate::streams::{Need, Streams};

/// From the handshake to the server's `ready`.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// At most so long over two heartbeats, for a server that is slow rather than gone.
const HEARTBEAT_GRACE: Duration = Duration::from_secs(5);
/// For the server to close a connection on which nothing may be sent any more.
const CLOSE_GRACE: Duration = Duration::from_secs(1);
/// Pages of history that are asked for at the same time, to fill holes.
const FILLS: usize = 8;
/// Entries in such a page: 100 of the longest texts are a few hundred kilobytes.
const FILL_LIMIT: u32 = 100;

/// See the module.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    /// Whether it brought the application anything.
    pub(crate) useful: bool,
    since: Instant,
    last_frame: Instant,
    /// Absent until the server says `ready`.
    heartbeat: Option<Duration>,
    /// Nothing new is sent, and the connection is dropped at this time.
    frozen: Option<Instant>,
    /// The commands that were sent for the streams, by id.
    asked: HashMap<u64, Asked>,
    fills: VecDeque<ConversationId>,
    fills_later: Vec<(Instant, ConversationId)>,
    filling: usize,
    sync: Option<(Instant, Scope)>,
    /// The server drops a `sync` that is under way when the next one comes.
    syncing: bool,
    syncs_in_vain: u32,
}

/// A command that was sent for the streams.
pub(crate) enum Asked {
    Sync(Scope),
    Fill(ConversationId),
}

/// What a `sync` is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    Some(BTreeSet<ConversationId>),
}

impl Session {
    pub(crate) fn new(connection: Connection, now: Instant) -> Self {
        Self {
            connection,
            useful: false,
            since: now,
            last_frame: now,
            heartbeat: None,
            frozen: None,
            asked: HashMap::new(),
            fills: VecDeque::new(),
            fills_later: Vec::new(),
            filling: 0,
            sync: Some((now, Scope::All)),
            syncing: false,
            syncs_in_vain: 0,
        }
    }

    /// The server is ready. Returns false if it was before.
    pub(crate) fn ready(&mut self, heartbeat: Duration) -> bool {
        self.heartbeat.replace(heartbeat).is_none()
    }

    pub(crate) fn may_send(&self) -> bool {
        self.heartbeat.is_some() && self.frozen.is_none()
    }

    /// A sign of life, or an excuse for its absence.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_frame = now;
    }

    /// Sends nothing more, and leaves the server a moment to close.
    pub(crate) fn freeze(&mut self, now: Instant) {
        self.frozen.get_or_insert(now + CLOSE_GRACE);
    }

    /// Whether the next pause before connecting may be a short one.
    pub(crate) fn was_good(&self, now: Instant) -> bool {
        self.useful || (self.heartbeat.is_some() && now >= self.since + SETTLED)
    }

    /// Why the connection must be given up, if it must.
    pub(crate) fn overdue(&self, now: Instant) -> Option<&'static str> {
        let reason = match (self.frozen, self.heartbeat) {
            (Some(_), _) => "the server did not close",
            (None, Some(_)) => "no sign of life",
            (None, None) => "not ready in time",
        };
        (now >= self.patience()).then_some(reason)
    }

    /// When [`Self::overdue`] has a reason, if nothing else happens.
    pub(crate) fn patience(&self) -> Instant {
        let silence = match self.heartbeat {
            Some(heartbeat) => self.last_frame + 2 * heartbeat + heartbeat.min(HEARTBEAT_GRACE),
            None => self.since + READY_TIMEOUT,
        };
        self.frozen.map_or(silence, |frozen| frozen.min(silence))
    }

    /// When [`Self::ask`] has something to send, if nothing else happens.
    pub(crate) fn ask_at(&self) -> Option<Instant> {
        let sync = self.sync.as_ref().filter(|_| !self.syncing).map(|(at, _)| *at);
        let fills = self.fills_later.iter().map(|(at, _)| *at).min();
        [sync, fills].into_iter().flatten().min()
    }

    /// Notes what a stream needs.
    pub(crate) fn need(&mut self, need: Option<Need>, now: Instant) {
        match need {
            None => {}
            Some(Need::Fill(conversation)) => self.fills.push_back(conversation),
            Some(Need::FillLater(conversation)) => {
                self.fills_later
                    .push((now + backoff::retry(1, rand::random()), conversation));
            }
            Some(Need::Sync(conversation)) => {
                self.sync_later(Scope::Some(BTreeSet::from([conversation])), now)
            }
        }
    }

    fn sync_later(&mut self, scope: Scope, now: Instant) {
        match (&mut self.sync, scope) {
            (Some((_, Scope::Some(wanted))), Scope::Some(more)) => wanted.extend(more),
            (Some((_, Scope::All)), _) => {}
            (sync, scope) => {
                *sync = Some((now + backoff::retry(self.syncs_in_vain, rand::random()), scope));
                self.syncs_in_vain += 1;
            }
        }
    }

    /// Queues what is due for the streams: at the start of a connection their `sync`, before all else.
    pub(crate) fn ask(&mut self, streams: &Streams, mut new_id: impl FnMut() -> u64, now: Instant) {
        if !self.syncing
            && let Some((_, scope)) = self.sync.take_if(|(at, _)| now >= *at)
        {
            self.syncing = true;
            let sync = match &scope {
                Scope::All => streams.sync_all(),
                Scope::Some(ids) => streams.sync_some(ids),
            };
            self.send(new_id(), Command::Sync(sync), Asked::Sync(scope));
        }
        let due = self.fills_later.extract_if(.., |(at, _)| now >= *at);
        self.fills.extend(due.map(|(_, conversation)| conversation));
        while self.filling < FILLS
            && let Some(conversation) = self.fills.pop_front()
        {
            self.filling += 1;
            let history = History {
                after: Some(streams.cursor(&conversation)),
                limit: Some(FILL_LIMIT),
                ..History::newest(conversation.clone())
            };
            self.send(new_id(), Command::History(history), Asked::Fill(conversation));
        }
    }

    fn send(&mut self, id: u64, command: Command, asked: Asked) {
        self.asked.insert(id, asked);
        self.connection.push(&ClientFrame { id, command });
    }

    /// What the reply with this id is about, if it was asked for the streams.
    pub(crate) fn answered(&mut self, id: u64) -> Option<Asked> {
        let asked = self.asked.remove(&id)?;
        match asked {
            Asked::Sync(_) => self.syncing = false,
            Asked::Fill(_) => self.filling -= 1,
        }
        Some(asked)
    }

    /// A `sync` was carried out, except for the conversations that `needs` are about.
    pub(crate) fn synced(&mut self, needs: Vec<Need>, now: Instant) {
        if !needs.iter().any(|need| matches!(need, Need::Sync(_))) {
            self.syncs_in_vain = 0;
        }
        for need in needs {
            self.need(Some(need), now);
        }
    }

    /// A `sync` was not carried out, and is tried again.
    pub(crate) fn not_synced(&mut self, scope: Scope, now: Instant) {
        if scope == Scope::All {
            self.sync = None;
        }
        self.sync_later(scope, now);
    }
}
