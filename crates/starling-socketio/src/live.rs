//! What a client's reader, its writer and its dialect share.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use starling_core::{Engine, Outbox, Session};
use starling_protocol::{CloseCode, Command, ConversationId, Error, ErrorCode, Reply, Seq, Sync, UserId};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::SocketIo;
use crate::asker::Asker;
use crate::connection::Wire;
use crate::dialect::{Dialect, HeardMessage, Watcher};
use crate::parser::{Frame, Parser};
use crate::pending::{Asked, Pending, Waiting};
use crate::queue::Queue;
use crate::recovery::Claim;
use crate::rooms::Rooms;
use crate::socket::Arrival;

/// Between two attempts to begin streams.
const FOLLOW_PAUSE: Duration = Duration::from_millis(300);

fn not_a_member() -> Error {
    Error::new(ErrorCode::NotAMember, "you are not a member of the room any more")
}

/// A client that is let in.
pub(crate) struct Live {
    server: SocketIo,
    wire: Wire,
    dialect: Dialect,
    parser: Parser,
    session: Arc<Session>,
    outbox: Arc<Outbox>,
    queue: Queue,
    waiting: Waiting,
    pub(crate) rooms: Mutex<Rooms>,
    /// In dialects that tell of who is there, once the client is told.
    pub(crate) watcher: OnceLock<Watcher>,
}

impl Live {
    pub(crate) fn new(arrival: &Arrival, session: Arc<Session>, outbox: Arc<Outbox>) -> Self {
        let server = arrival.server.clone();
        Self {
            queue: Queue::new(server.settings().outbox_bytes),
            server,
            wire: arrival.wire.clone(),
            dialect: arrival.dialect,
            parser: arrival.parser,
            session,
            outbox,
            waiting: Waiting::default(),
            rooms: Mutex::new(Rooms::new(arrival.dialect.follows())),
            watcher: OnceLock::new(),
        }
    }

    pub(crate) fn server(&self) -> &SocketIo {
        &self.server
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.server.engine()
    }

    pub(crate) fn wire(&self) -> &Wire {
        &self.wire
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) fn parser(&self) -> Parser {
        self.parser
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn user(&self) -> &UserId {
        self.session.user()
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(crate) fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// The first words to a client: who it is, and, where it goes on, in which rooms.
    pub(crate) fn greet(&self, claim: Option<Claim>) {
        self.dialect.greet(self);
        for (room, cursor) in claim.into_iter().flat_map(|claim| claim.cursors) {
            self.rooms.lock().join(room, cursor);
        }
    }

    /// Queues an event for this client alone.
    pub(crate) fn emit<T: Serialize>(&self, name: &str, payload: &T) {
        self.push(self.parser.event(self.dialect.namespace(), name, payload));
    }

    /// Acknowledges an event, if its sender asked for that.
    pub(crate) fn acknowledge<T: Serialize>(&self, asked: &Asked, payload: &T) {
        if let Some(id) = asked.ack {
            self.push(self.parser.ack(self.dialect.namespace(), id, payload));
        }
    }

    fn push(&self, frame: Frame) {
        if self.queue.push(frame).is_err() {
            self.outbox.close(CloseCode::SlowConsumer);
        }
    }

    /// Has a command carried out whose answer the writer gets.
    pub(crate) async fn submit(&self, pending: Pending, command: Command) {
        let id = self.waiting.expect(pending);
        self.session.handle(id, command).await;
    }

    /// Its user, as one who asks for something and waits for it.
    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker {
            server: &self.server,
            user: self.user(),
        }
    }

    /// Begins the streams of rooms that do not flow yet, and waits until they do. A room in which that cannot be is
    /// left, and the client told so.
    pub(crate) async fn follow(&self) {
        let mut gone = Vec::new();
        loop {
            let Some(cursors) = self.rooms.lock().to_begin() else {
                return;
            };
            let (sender, synced) = oneshot::channel();
            self.submit(Pending::Streams(sender), Command::Sync(Sync { cursors }))
                .await;
            // No answer comes from a node that goes away: then the connection ends.
            let Ok(synced) = synced.await else {
                return std::future::pending().await;
            };
            let refused = match synced {
                Ok(Reply::Synced(synced)) => {
                    self.rooms.lock().has_begun();
                    synced.refused
                }
                Err(error) if error.code == ErrorCode::Unavailable => {
                    sleep(FOLLOW_PAUSE).await;
                    continue;
                }
                Ok(_) => BTreeMap::new(),
                Err(error) => {
                    let dry = self.rooms.lock().dry();
                    dry.into_keys().map(|room| (room, error.clone())).collect()
                }
            };
            // Whatever does not flow now has no stream: a membership that has ended meanwhile.
            for room in self.rooms.lock().dry().keys() {
                let error = refused.get(room).cloned();
                gone.push((room.clone(), error.unwrap_or_else(not_a_member)));
            }
            break;
        }
        for (room, error) in gone {
            self.rooms.lock().leave(&room);
            self.dialect.complain(self, "join_room", &error);
        }
    }

    /// A message: from memory, or else from the log.
    ///
    /// # Errors
    /// As [`Asker::heard`].
    pub(crate) async fn heard(&self, room: &ConversationId, seq: Seq) -> Result<HeardMessage, Error> {
        self.asker().heard(room, seq).await
    }
}
