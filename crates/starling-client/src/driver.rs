//! The one task of a client: connects, resumes, sends, receives, and starts over.
//!
//! Constraints: it never waits for the application while it holds something that the application waits for.
//! When events pile up it stops reading the socket and does all else as before.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use starling_protocol::{
    self as protocol, ClientFrame, CloseCode, Command, Event as ServerEvent, Ready, Reconnect, Reply,
    ServerFrame, Synced,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::backoff::{Backoff, Pause};
use crate::builder::{Config, Switch};
use crate::connection::{ConnectError, Connection, GOODBYE_CODE, Incoming, Reading};
use crate::marks::Marks;
use crate::pending::{Answer, Pending, Respond};
use crate::session::{Asked, Scope, Session};
use crate::shared::{Counters, Phase, Shared};
use crate::streams::{Need, Streams};
use crate::tap::Tapped;
use crate::token::{Choice, Token};
use crate::{Error, Event};

/// For the goodbye of a client that ends.
const GOODBYE: Duration = Duration::from_secs(1);

/// A command from the application.
pub(crate) struct Op {
    pub(crate) command: Command,
    pub(crate) respond: Respond,
}

/// See the module.
pub(crate) struct Driver {
    config: Config,
    ops: mpsc::Receiver<Op>,
    events: mpsc::Sender<Event>,
    shared: Arc<Shared>,
    close: watch::Receiver<bool>,

    pending: Pending,
    streams: Streams,
    marks: Marks,
    backoff: Backoff,
    /// Events that have not yet found room in the channel.
    backlog: VecDeque<Event>,
    /// Ids of commands, never used twice.
    next_id: u64,
    /// Which URL comes next.
    turn: usize,
    token: Token,
}

/// How a connection ended.
enum End {
    Code { code: u16, reason: String },
    Fatal(Error),
}

impl Driver {
    pub(crate) fn new(
        config: Config,
        ops: mpsc::Receiver<Op>,
        events: mpsc::Sender<Event>,
        shared: Arc<Shared>,
    ) -> Self {
        let counters = Arc::clone(&shared.counters);
        let token = Token::new(config.token.clone(), config.provider.clone());
        Self {
            ops,
            events,
            close: shared.close.subscribe(),
            pending: Pending::new(config.window, config.room, Arc::clone(&counters)),
            streams: Streams::new(config.cursors.clone(), counters),
            marks: Marks::default(),
            backoff: Backoff::new(config.urls.len()),
            backlog: VecDeque::new(),
            next_id: 1,
            turn: 0,
            token,
            shared,
            config,
        }
    }

    /// Runs until the client ends.
    pub(crate) async fn run(mut self) {
        let error = self.run_to_the_end().await;
        debug!(%error, "the client has ended");
        let _ = self.shared.ended.set(error.clone());
        self.ops.close();
        self.pending.fail(&error);
        while let Ok(op) = self.ops.try_recv() {
            let _ = op.respond.send(Err(error.clone()));
        }
        self.shared.status.send_modify(|status| {
            status.phase = Phase::Ended;
            status.node = None;
        });
        self.pass_on();
        // What has arrived belongs to the application, which may be slow to take it. If it never does, this
        // ends with its last handle.
        for event in std::mem::take(&mut self.backlog) {
            if self.events.send(event).await.is_err() {
                return;
            }
        }
    }

    async fn run_to_the_end(&mut self) -> Error {
        let mut pause = None;
        loop {
            let connection = match self.connect(pause).await {
                Ok(connection) => connection,
                Err(error) => return error,
            };
            let end = self.serve(connection).await;
            self.tap_end(&end);
            self.pending.disconnected();
            self.streams.disconnected();
            self.marks.disconnected(&self.shared);
            self.shared.status.send_modify(|status| {
                status.phase = Phase::Away;
                status.node = None;
            });
            let (code, reason) = match end {
                End::Code { code, reason } => (code, reason),
                End::Fatal(error) => return error,
            };
            debug!(code, reason, "disconnected");
            self.tell(Event::Disconnected { code });
            pause = Some(match Reconnect::for_code(code) {
                Reconnect::Now => Pause::Now,
                Reconnect::Later => Pause::Later,
                Reconnect::Never => match CloseCode::from_code(code) {
                    Some(CloseCode::Unauthenticated | CloseCode::TokenExpired) if self.token.refused() => {
                        Pause::Now
                    }
                    _ => return Error::Ended { code, reason },
                },
            });
        }
    }

    fn tap_end(&self, end: &End) {
        if let Some(tap) = &self.config.tap {
            let code = match end {
                End::Code { code, .. } => *code,
                End::Fatal(_) => GOODBYE_CODE,
            };
            tap(Tapped::Disconnected { code });
        }
    }

    /// Tries until there is a connection.
    async fn connect(&mut self, mut pause: Option<Pause>) -> Result<Connection, Error> {
        loop {
            if let Some(pause) = pause {
                let until = Instant::now() + self.backoff.delay(pause, rand::random());
                self.meanwhile(sleep_until(until)).await?;
            }
            let choosing = self.token.choose();
            let token = match self.meanwhile(choosing).await? {
                Choice::Use(token) => token,
                Choice::Exhausted => return Err(Error::Unauthenticated),
                Choice::Failed(error) => {
                    warn!(%error, "no token");
                    pause = Some(Pause::Later);
                    continue;
                }
            };
            self.token.chosen(token.clone());
            let url = self.config.urls[self.turn % self.config.urls.len()].clone();
            self.turn = self.turn.wrapping_add(1);
            debug!(%url, "connecting");
            let tap = self.config.tap.clone();
            let opening = Box::pin(Connection::open(url, self.config.codec, token, tap));
            match self.meanwhile(opening).await? {
                Ok(connection) => return Ok(connection),
                Err(ConnectError::Unauthenticated) if self.token.refused() => pause = Some(Pause::Now),
                Err(ConnectError::Unauthenticated) => return Err(Error::Unauthenticated),
                Err(ConnectError::Failed(reason)) => {
                    debug!(reason, "not connected");
                    pause = Some(Pause::Soon);
                }
            }
        }
    }

    /// Waits for `future` without a connection: commands are taken, deadlines pass, events are passed on. What
    /// the application has not yet taken must be taken first: there is no point in fetching more.
    async fn meanwhile<F: Future>(&mut self, future: F) -> Result<F::Output, Error> {
        let mut future = pin!(future);
        let mut output = None;
        loop {
            self.pass_on();
            self.pending.expire(Instant::now());
            if self.backlog.is_empty()
                && let Some(output) = output.take()
            {
                return Ok(output);
            }
            let wake = self.pending.next_deadline();
            tokio::select! {
                result = &mut future, if output.is_none() => output = Some(result),
                () = closed(&mut self.close) => return Err(Error::Closed),
                op = self.ops.recv(), if self.pending.has_room() => self.take(op)?,
                room = room(&self.events), if !self.backlog.is_empty() => room?,
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    /// Serves one connection until it ends.
    async fn serve(&mut self, connection: Connection) -> End {
        let mut session = Session::new(connection, Instant::now());
        let end = self.serve_session(&mut session).await;
        if session.was_good(Instant::now()) {
            self.backoff.succeeded();
        }
        if matches!(end, End::Fatal(_)) {
            session.connection.close(GOODBYE).await;
        }
        end
    }

    async fn serve_session(&mut self, session: &mut Session) -> End {
        let mut timer = pin!(sleep_until(session.patience()));
        // A wish from before this connection is fulfilled.
        let _ = self.shared.drop_connection.notified().now_or_never();
        let shared = Arc::clone(&self.shared);
        loop {
            let now = Instant::now();
            self.pass_on();
            self.pending.expire(now);
            if let Some(reason) = session.overdue(now) {
                return End::Code {
                    code: 1006,
                    reason: reason.into(),
                };
            }
            self.send_what_is_due(session, now);
            let wake = self.wake_at(session, now);
            // Only ever moved forward in time when it has fired: most turns then leave it alone.
            if timer.is_elapsed() || wake < timer.deadline() {
                timer.as_mut().reset(wake);
            }

            let blocked = !self.backlog.is_empty();
            let reading = if blocked { Reading::Off } else { Reading::On };
            let marking = self.config.delivered_marks == Switch::On && session.may_send();
            tokio::select! {
                incoming = session.connection.drive(reading) => {
                    if let Err(end) = self.hear(session, incoming) {
                        return end;
                    }
                }
                room = room(&self.events), if blocked => {
                    if let Err(error) = room {
                        return End::Fatal(error);
                    }
                }
                op = self.ops.recv(), if self.pending.has_room() => {
                    if let Err(error) = self.take(op) {
                        return End::Fatal(error);
                    }
                }
                () = &mut timer => {}
                () = shared.to_mark.notified(), if marking => {}
                () = shared.drop_connection.notified() => {
                    return End::Code { code: 1006, reason: "dropped by the application".into() };
                }
                () = closed(&mut self.close) => return End::Fatal(Error::Closed),
            }
            if blocked {
                // Silence that is our own doing is not the server's.
                session.heard(Instant::now());
            }
        }
    }

    /// Takes a command from the application, or learns that its last handle is gone.
    fn take(&mut self, op: Option<Op>) -> Result<(), Error> {
        let Op { command, respond } = op.ok_or(Error::Closed)?;
        let deadline = self.config.deadline.map(|deadline| Instant::now() + deadline);
        let id = new_id(&mut self.next_id);
        self.pending.push(id, command, respond, deadline);
        Ok(())
    }

    /// Queues an event of the driver's own.
    fn tell(&mut self, event: Event) {
        self.backlog.push_back(event);
        self.pass_on();
    }

    /// Moves events to the application as far as there is room.
    fn pass_on(&mut self) {
        if self.config.discard_events == Switch::On {
            for event in self.backlog.drain(..) {
                self.shared.note(&event);
            }
        }
        while !self.backlog.is_empty() {
            match self.events.try_reserve() {
                Ok(permit) => {
                    if let Some(event) = self.backlog.pop_front() {
                        permit.send(event);
                    }
                }
                // A closed channel shows when there is something to wait for.
                Err(_) => break,
            }
        }
    }

    /// Sends all that may go out now: what the streams need, commands of the application, marks.
    fn send_what_is_due(&mut self, session: &mut Session, now: Instant) {
        if !session.may_send() {
            return;
        }
        // First the streams, then what is unanswered, then what is new (I5).
        let Self { streams, next_id, .. } = self;
        session.ask(streams, || new_id(next_id), now);
        while let Some(frame) = self.pending.next(now) {
            session.connection.push(&frame);
        }
        if self.config.delivered_marks == Switch::On {
            for mark in self.marks.collect(&self.shared, now) {
                let id = new_id(&mut self.next_id);
                self.marks.sent(id, mark.conversation.clone());
                session.connection.push(&ClientFrame {
                    id,
                    command: Command::Delivered(mark),
                });
            }
        }
    }

    fn wake_at(&self, session: &Session, now: Instant) -> Instant {
        let mut wake = session.patience();
        let mut at_latest = |time: Option<Instant>| wake = time.map_or(wake, |time| wake.min(time));
        at_latest(self.pending.next_deadline());
        if session.may_send() {
            at_latest(session.ask_at());
            at_latest(self.pending.quiet_until());
            let marks = self.config.delivered_marks == Switch::On;
            if marks && self.shared.taken.lock().has_unmarked() {
                at_latest(Some(self.marks.due(now)));
            }
        }
        wake
    }

    fn hear(&mut self, session: &mut Session, incoming: Incoming) -> Result<(), End> {
        let now = Instant::now();
        session.heard(now);
        let frame = match incoming {
            Incoming::Frame(frame) => frame,
            Incoming::Alive => return Ok(()),
            Incoming::Malformed(reason) => return Err(End::Fatal(Error::Protocol(reason))),
            Incoming::Ended { code, reason } => return Err(End::Code { code, reason }),
        };
        match frame {
            ServerFrame::Event(ServerEvent::Entry(entry)) => {
                let need = self.streams.entry(entry, &mut self.backlog);
                session.useful |= !self.backlog.is_empty();
                session.need(need, now);
            }
            ServerFrame::Event(ServerEvent::Conversation(state)) => {
                let need = self.streams.start(state, &mut self.backlog);
                session.need(need, now);
            }
            ServerFrame::Event(ServerEvent::Receipts(change)) => self.tell(Event::Receipts(change)),
            ServerFrame::Event(ServerEvent::Typing(change)) => self.tell(Event::Typing(change)),
            ServerFrame::Event(ServerEvent::Presence(presence)) => self.tell(Event::Presence(presence)),
            ServerFrame::Event(ServerEvent::Hidden(hidden)) => self.tell(Event::Hidden(hidden)),
            ServerFrame::Event(ServerEvent::Ready(ready)) => self.ready(session, ready),
            ServerFrame::Event(ServerEvent::Error(error)) => {
                warn!(%error, "the server could not read a frame");
            }
            ServerFrame::Reply { id, result } => self.reply(session, id, result, now),
        }
        Ok(())
    }

    fn ready(&mut self, session: &mut Session, ready: Ready) {
        let Ready {
            user,
            node,
            connection,
            heartbeat_ms,
        } = ready;
        if !session.ready(Duration::from_millis(heartbeat_ms)) {
            return;
        }
        debug!(%user, node, connection, "connected");
        Counters::add(&self.shared.counters.connections);
        self.streams.belong_to(user.clone());
        self.shared.status.send_modify(|status| {
            status.phase = Phase::Ready;
            status.user = Some(user);
            status.node = Some(node.clone());
        });
        self.tell(Event::Connected { node, connection });
    }

    fn reply(
        &mut self,
        session: &mut Session,
        id: u64,
        result: Result<Reply, protocol::Error>,
        now: Instant,
    ) {
        if self.marks.answered(id, &self.shared, result.as_ref().err()) {
            return;
        }
        match session.answered(id) {
            Some(Asked::Sync(scope)) => match result {
                Ok(Reply::Synced(synced)) => self.synced(session, scope, synced, now),
                Ok(other) => {
                    warn!(?other, "not the answer to a sync");
                    session.not_synced(scope, now);
                }
                Err(error) => {
                    debug!(%error, "no sync");
                    session.not_synced(scope, now);
                }
            },
            Some(Asked::Fill(conversation)) => {
                let need = match result {
                    Ok(Reply::History(page)) => self.streams.page(&conversation, page, &mut self.backlog),
                    Ok(other) => {
                        warn!(?other, "not a page of history");
                        Some(Need::FillLater(conversation))
                    }
                    Err(error) => self.streams.no_page(&conversation, &error, &mut self.backlog),
                };
                session.useful |= !self.backlog.is_empty();
                session.need(need, now);
            }
            None => {
                session.useful |= result.is_ok();
                if self.pending.answer(id, result, now, rand::random()) == Answer::ConnectAnew {
                    session.freeze(now);
                }
            }
        }
    }

    fn synced(&mut self, session: &mut Session, scope: Scope, synced: Synced, now: Instant) {
        let Synced {
            conversations,
            refused,
        } = synced;
        let needs = refused
            .iter()
            .filter_map(|(id, error)| self.streams.refused(id, error))
            .collect();
        session.synced(needs, now);
        if scope == Scope::All {
            self.shared
                .status
                .send_modify(|status| status.phase = Phase::Live);
            self.tell(Event::Live {
                conversations,
                refused,
            });
        }
    }
}

/// Resolves when the application wants an orderly end.
async fn closed(close: &mut watch::Receiver<bool>) {
    // The sender lives as long as the driver.
    let _ = close.wait_for(|close| *close).await;
}

/// Resolves when there is room for an event, or nobody who would take it.
async fn room(events: &mpsc::Sender<Event>) -> Result<(), Error> {
    events.reserve().await.map(drop).map_err(|_| Error::Closed)
}

/// Ids of commands are never used twice by a client, on whichever connection.
fn new_id(next: &mut u64) -> u64 {
    let id = *next;
    *next += 1;
    id
}
