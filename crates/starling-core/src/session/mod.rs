//! Sessions: one connection of one user on this node.

mod commands;
mod guard;
mod history;
mod moderation;
mod persons;
mod receipts;
mod rooms;
mod signals;
mod stats;
mod stream;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use starling_protocol::{
    CloseCode, Command, ConversationId, Delivered, Error, ErrorCode, Hidden, Read, Reply, Seq, Typing, UserId,
};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::chance::HashMap;
use crate::marks::Mark;
use crate::people::Watch;
use crate::ports::{Admission, ConnectionId, SessionRef, SignInId};
use crate::sequencer::Answer;
use crate::shared::Shared;
use crate::time::jittered;
use crate::{Identity, Outbox, SharedFrame};

pub(crate) use commands::{execute, reply_of, submit};
pub use guard::SessionGuard;
pub(crate) use history::{messages, open_messages};
pub(crate) use rooms::open as open_room;
pub(crate) use stats::{
    of_all as cluster_stats, of_any_conversation as conversation_stats, of_open as open_stats,
};
pub(crate) use stream::welcome;

/// Between two attempts to take a connection out of the session map, at first and at most.
const LEAVE_PAUSE: Duration = Duration::from_millis(200);
const LEAVE_PAUSE_AT_MOST: Duration = Duration::from_secs(5);
/// Ended streams that a session remembers.
const ENDED_REMEMBERED: usize = 1_000;

/// One authenticated connection.
pub struct Session {
    shared: Arc<Shared>,
    user: UserId,
    connection: ConnectionId,
    outbox: Arc<Outbox>,
    /// Closes the outbox when the sign-in that the connection came by ends, if it came by one.
    watch: Option<Watch>,
    /// Whether the user asked for the stream: new conversations start by themselves from then on.
    live: AtomicBool,
    /// Whether all streams were started once.
    has_synced: AtomicBool,
    /// The conversations that are streamed, with the user's delivered mark as far as this session knows.
    streams: Mutex<HashMap<ConversationId, Seq>>,
    /// Streams that have ended with the user's membership, and after which entry, until a `sync` asks for what they
    /// have sent: it may have been on its way meanwhile.
    ended: Mutex<HashMap<ConversationId, Seq>>,
    syncing: Mutex<Option<AbortHandle>>,
    /// Held by whoever starts streams: a `sync`, or the welcome to one conversation. Two at once would send the same
    /// entries twice.
    starting: tokio::sync::Mutex<()>,
    /// One more for each `sync` that waits to begin.
    waiting_syncs: Arc<()>,
    /// Conversations in which the client claims to be ahead of the log, and was told to ask again.
    ahead: Mutex<Vec<ConversationId>>,
    /// Conversations to which the user is being welcomed.
    welcoming: Mutex<Vec<ConversationId>>,
    /// Whether the device says that nobody looks at it.
    away: AtomicBool,
    closed: AtomicBool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("user", &self.user)
            .field("connection", &self.connection)
            .finish()
    }
}

impl Session {
    /// Opens a session: enters it in the cluster-wide session map, within the limit of connections.
    pub(crate) async fn open(
        shared: &Arc<Shared>,
        identity: Identity,
        outbox: Arc<Outbox>,
    ) -> Result<Arc<Self>, Error> {
        if shared.is_draining() {
            return Err(Error::new(
                ErrorCode::Unavailable,
                "the node is going away: connect to another one",
            ));
        }
        let Identity {
            user, name, sign_in, ..
        } = identity;
        shared.users.saw(shared, &user, name.as_deref()).await;
        let watch = sign_in.map(|id| Watch::begin(shared, &id, &outbox));
        let session = Arc::new(Self {
            shared: shared.clone(),
            user,
            connection: ConnectionId::fresh(),
            outbox,
            watch,
            live: AtomicBool::new(false),
            has_synced: AtomicBool::new(false),
            streams: Mutex::default(),
            syncing: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            waiting_syncs: Arc::default(),
            ended: Mutex::default(),
            ahead: Mutex::default(),
            welcoming: Mutex::default(),
            away: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        session.admit().await?;
        shared.sessions.insert(&session);
        shared.presences.changed(&session.user);
        Ok(session)
    }

    async fn admit(&self) -> Result<(), Error> {
        let shared = &self.shared;
        let full = || {
            Error::new(
                ErrorCode::TooManyConnections,
                "you have as many connections as are allowed",
            )
        };
        let limit = shared.settings.connections_per_user;
        let entry = self.entry();
        let mut dead = Vec::new();
        // A first refusal may be due to the connections of dead nodes: find out, and ask once more.
        for attempt in 0..2 {
            match shared
                .ports
                .sessions
                .connect(&self.user, &entry, limit, &dead)
                .await
            {
                Ok(Admission::Admitted) => return Ok(()),
                Ok(Admission::Full) if attempt == 0 => {
                    let others = shared
                        .ports
                        .sessions
                        .sessions(std::slice::from_ref(&self.user))
                        .await?;
                    let nodes = others
                        .into_iter()
                        .flatten()
                        .map(|other| other.incarnation)
                        .collect();
                    dead = shared
                        .registration
                        .dead_among(shared, nodes)
                        .await
                        .into_iter()
                        .collect();
                    if dead.is_empty() {
                        return Err(full());
                    }
                }
                Ok(Admission::Full) => return Err(full()),
                // Without coordination the node limits by itself; it registers the session later.
                Err(_) if limit.is_none_or(|limit| shared.sessions.of(&self.user).len() < limit) => {
                    shared.registration.lost();
                    return Ok(());
                }
                Err(_) => return Err(full()),
            }
        }
        Err(full())
    }

    fn entry(&self) -> SessionRef {
        SessionRef {
            connection: self.connection.clone(),
            incarnation: self.shared.incarnation(),
        }
    }

    /// Whose session it is.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Its name, unique in the cluster.
    pub fn connection(&self) -> &ConnectionId {
        &self.connection
    }

    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Ordering::Acquire)
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Release);
    }

    fn sign_in(&self) -> Option<&SignInId> {
        self.watch.as_ref().map(Watch::sign_in)
    }

    fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }

    /// Carries out a command; its reply goes into the session's outbox.
    ///
    /// To be called by one task, in the order received, awaiting each call: that keeps a connection's sends in
    /// order (I5). `send` and the like return once they are queued, so that a pipelining client is not held up;
    /// not returning is the back-pressure. On a draining node, and once the outbox is closed, commands are
    /// dropped unanswered: the client sends them again elsewhere. Cancel-safe: a command is carried out or not.
    pub async fn handle(self: &Arc<Self>, id: u64, command: Command) {
        if self.outbox.closed().is_some() || self.shared.is_draining() {
            return;
        }
        if let Err(error) = command.check() {
            return self.reply(id, Err(error));
        }
        match command {
            Command::Sync(sync) => self.sync(id, sync),
            change if change.is_change() => {
                let origin = Some(self.outbox.clone());
                if let Err(error) = submit(&self.shared, &self.user, origin, change, self.answer(id)).await {
                    self.reply(id, Err(error));
                }
            }
            Command::Delivered(Delivered { conversation, seq }) => {
                let marked = self.mark(Mark::Delivered, conversation, seq).await;
                self.reply(id, marked);
            }
            Command::Read(Read { conversation, seq }) => {
                let marked = self.mark(Mark::Read, conversation, seq).await;
                self.reply(id, marked);
            }
            Command::Auth(_) => {
                self.reply(
                    id,
                    Err(Error::new(
                        ErrorCode::Invalid,
                        "the connection is authenticated already",
                    )),
                );
            }
            Command::Typing(typing) => {
                let said = self.typing(typing).await;
                self.reply(id, said);
            }
            Command::Presence(set) => {
                let presences = &self.shared.presences;
                let done = presences.set(&self.shared, &self.user, Some(self), set).await;
                self.reply(id, done);
            }
            Command::Invite(ask) => {
                let origin = Some(self.outbox.clone());
                let invited = moderation::invite(&self.shared, &self.user, origin, ask).await;
                let undecided = is_undecided(&invited);
                self.reply(id, invited);
                if undecided {
                    self.outbox.close(CloseCode::OutcomeUnknown);
                }
            }
            asked => {
                let result = execute(&self.shared, &self.user, self.sign_in(), asked).await;
                self.reply(id, result);
            }
        }
    }

    async fn mark(&self, mark: Mark, id: ConversationId, seq: Seq) -> Result<Reply, Error> {
        let streamed = self.streams.lock().contains_key(&id);
        let noted = if streamed {
            receipts::mark_streamed(&self.shared, &self.user, mark, &id, seq)
        } else {
            None
        };
        if noted.is_none() {
            receipts::mark(&self.shared, &self.user, mark, id.clone(), seq).await?;
        }
        if let Some(delivered) = self.streams.lock().get_mut(&id) {
            *delivered = seq.max(*delivered);
        }
        Ok(Reply::Done {})
    }

    async fn typing(&self, typing: Typing) -> Result<Reply, Error> {
        let known = self.streams.lock().contains_key(&typing.conversation);
        signals::typing(&self.shared, &self.user, Some(&self.connection), typing, known).await
    }

    /// The conversation's stream to this session ends with the entry that ends the membership.
    pub(crate) fn end_stream(&self, id: &ConversationId, left: Seq) {
        self.forget_stream(id);
        let mut ended = self.ended.lock();
        if ended.len() >= ENDED_REMEMBERED {
            ended.clear();
        }
        ended.insert(id.clone(), left);
    }

    /// The conversation is not streamed to this session any more.
    pub(crate) fn forget_stream(&self, id: &ConversationId) {
        self.streams.lock().remove(id);
    }

    fn reply(&self, id: u64, result: Result<Reply, Error>) {
        self.outbox.push(SharedFrame::reply(id, result));
    }

    /// Answers command `id`. An outcome that is not known ends the connection: only a client that reconnects
    /// and sends what is unanswered again, oldest first, keeps its order (I5).
    fn answer(&self, id: u64) -> Answer {
        let outbox = self.outbox.clone();
        Box::new(move |outcome| {
            let undecided = is_undecided(&outcome);
            outbox.push(SharedFrame::reply(id, outcome.map(reply_of)));
            if undecided {
                outbox.close(CloseCode::OutcomeUnknown);
            }
        })
    }

    /// Ends the session: takes it out of streams and session map. Idempotent. To be called when the connection
    /// ends, for whatever reason. Cancelled, the session map keeps an entry until its node's next life.
    pub async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.outbox.close(CloseCode::GoingAway);
        if let Some(sync) = self.syncing.lock().take() {
            sync.abort();
        }
        self.live.store(false, Ordering::Release);
        self.shared.sessions.remove(self);
        let streams = std::mem::take(&mut *self.streams.lock());
        for id in streams.keys() {
            self.shared.delivery.detach(id, self);
        }
        self.shared.typists.gone(&self.shared, &self.connection);
        let entry = self.entry();
        if self
            .shared
            .ports
            .sessions
            .disconnect(&self.user, &entry)
            .await
            .is_err()
        {
            tokio::spawn(leave_map(self.shared.clone(), self.user.clone(), entry));
        }
        self.shared.presences.went(&self.shared, &self.user);
        if self.is_away() {
            let presence = &self.shared.ports.presence;
            // One that stays is of no connection, and says nothing.
            let _ = presence.set_away(&self.user, &self.connection, false).await;
        }
        if !self.shared.sessions.is_connected(&self.user) {
            self.leave_notes(streams).await;
        }
    }

    /// Notes in the offline index what was written to this connection but never marked as delivered.
    async fn leave_notes(&self, streams: HashMap<ConversationId, Seq>) {
        let user = std::slice::from_ref(&self.user);
        for (id, delivered) in streams {
            let behind = self
                .shared
                .delivery
                .mark(&id)
                .is_some_and(|mark| delivered < mark.seq);
            if behind
                && self
                    .shared
                    .ports
                    .offline
                    .enqueue(&id, delivered + 1, user)
                    .await
                    .is_err()
            {
                return;
            }
        }
    }
}

/// Whether a change of a log is to be tried again before anything newer: nobody can say how it ended, or it could not be
/// tried.
fn is_undecided<T>(outcome: &Result<T, Error>) -> bool {
    matches!(
        outcome,
        Err(Error {
            code: ErrorCode::Unknown | ErrorCode::Unavailable | ErrorCode::Internal,
            ..
        })
    )
}

/// Takes a connection out of the session map once that can be reached: it would count against its user's limit for
/// as long as the node lives under this incarnation.
async fn leave_map(shared: Arc<Shared>, user: UserId, entry: SessionRef) {
    let mut pause = LEAVE_PAUSE;
    while shared.incarnation() == entry.incarnation {
        sleep(jittered(pause)).await;
        pause = (pause * 2).min(LEAVE_PAUSE_AT_MOST);
        if shared.ports.sessions.disconnect(&user, &entry).await.is_ok() {
            return;
        }
    }
}

/// The sessions of this node by user.
#[derive(Default)]
pub(crate) struct Sessions {
    users: Mutex<HashMap<UserId, Vec<Arc<Session>>>>,
    changed: Notify,
}

impl Sessions {
    fn insert(&self, session: &Arc<Session>) {
        self.users
            .lock()
            .entry(session.user.clone())
            .or_default()
            .push(session.clone());
    }

    fn remove(&self, session: &Session) {
        let mut users = self.users.lock();
        if let Some(sessions) = users.get_mut(&session.user) {
            sessions.retain(|other| !std::ptr::eq(other.as_ref(), session));
            if sessions.is_empty() {
                users.remove(&session.user);
            }
        }
        drop(users);
        self.changed.notify_waiters();
    }

    pub(crate) fn of(&self, user: &UserId) -> Vec<Arc<Session>> {
        self.users.lock().get(user).cloned().unwrap_or_default()
    }

    /// Tells the user's connections here that he has taken a conversation off his list.
    pub(crate) fn tell_hidden(&self, user: &UserId, hidden: &Hidden) {
        let frame = SharedFrame::hidden(hidden.clone());
        for session in self.of(user).iter().filter(|session| session.is_live()) {
            session.outbox.push_if_roomy(&frame);
        }
    }

    pub(crate) fn is_connected(&self, user: &UserId) -> bool {
        self.users.lock().contains_key(user)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.users.lock().values().flatten().cloned().collect()
    }

    /// Waits until no session is left. Cancel-safe.
    pub(crate) async fn until_none(&self) {
        loop {
            let changed = self.changed.notified();
            if self.users.lock().is_empty() {
                return;
            }
            changed.await;
        }
    }
}
