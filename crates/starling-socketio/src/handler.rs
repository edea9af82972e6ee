//! What the engine calls: in order, once for each message, and it waits for nothing.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use engineioxide::handler::EngineIoHandler;
use engineioxide::{DisconnectReason, Socket, Str};
use tokio::time::sleep;

use crate::SocketIo;
use crate::connection::{Connection, Wire, hang_up};
use crate::decoder::{Message, Said};
use crate::dialect::Dialect;
use crate::inbox::Inbox;
use crate::parser::{Frame, Parser};
use crate::socket::{self, Arrival};
use crate::telemetry::Refusal;

/// Of a namespace's name, which is repeated to whoever asks for one that there is not.
const MAX_NAMESPACE_BYTES: usize = 128;

/// The engine's handler.
pub(crate) struct Handler(SocketIo);

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").finish_non_exhaustive()
    }
}

impl Handler {
    pub(crate) fn new(server: SocketIo) -> Self {
        Self(server)
    }

    fn heard(&self, message: Message, wire: Wire) {
        let bytes = message.len();
        let read = wire.data.decode(|decoder| decoder.read(message));
        let (namespace, parser, said) = match read {
            Ok(Some(said)) => said,
            Ok(None) => return,
            Err(malformed) => {
                tracing::debug!(reason = malformed.0, "a packet that cannot be read");
                return hang_up(&wire);
            }
        };
        // Before version 5 of the protocol a query could stand there.
        let name = namespace.as_str().split('?').next().unwrap_or_default();
        match said {
            Said::Connect(auth) => match Dialect::of(name) {
                Some(dialect) => self.arrive(dialect, parser, auth, wire),
                None => refuse_namespace(&wire, parser, namespace),
            },
            Said::Disconnect => {
                if let Some(inbox) = wire.data.inbox(name) {
                    wire.data.leave(&inbox);
                    inbox.close();
                }
            }
            Said::Event(event) => {
                let Some(inbox) = wire.data.inbox(name) else {
                    return;
                };
                self.0.counters().events_in.increment(1);
                if inbox.push(event, bytes).is_err() {
                    tracing::debug!("a client says more than is carried out");
                    hang_up(&wire);
                }
            }
            Said::Ack => {}
        }
    }

    fn arrive(&self, dialect: Dialect, parser: Parser, auth: serde_json::Value, wire: Wire) {
        let inbox = Arc::new(Inbox::new(self.0.settings().inbox_bytes));
        if !wire.data.enter(dialect.namespace(), &inbox) {
            return hang_up(&wire);
        }
        let arrival = Arrival {
            server: self.0.clone(),
            wire,
            dialect,
            parser,
            inbox,
        };
        tokio::spawn(socket::serve(arrival, auth));
    }
}

fn refuse_namespace(wire: &Wire, parser: Parser, namespace: Str) {
    Refusal::Namespace.record();
    if namespace.len() > MAX_NAMESPACE_BYTES {
        return hang_up(wire);
    }
    say(wire, parser.connect_error(namespace, "Invalid namespace".into()));
}

/// Says something to a client that is in no namespace; if it does not listen, so be it.
pub(crate) fn say(wire: &Wire, frame: Frame) {
    let _ = match frame {
        Frame::Text(text) => wire.emit(text).is_ok(),
        Frame::Binary(bytes) => wire.emit_binary(bytes).is_ok(),
    };
}

/// Ends a connection that is let into no namespace in time.
pub(crate) fn end_if_idle(server: &SocketIo, wire: &Wire) {
    let (limit, wire) = (server.settings().connect_timeout, Arc::downgrade(wire));
    tokio::spawn(async move {
        sleep(limit).await;
        if let Some(wire) = wire.upgrade().filter(|wire| wire.data.is_waiting()) {
            hang_up(&wire);
        }
    });
}

impl EngineIoHandler for Handler {
    type Data = Connection;

    fn on_connect(self: Arc<Self>, socket: Arc<Socket<Connection>>) {
        match self.0.pending().clone().try_acquire_owned() {
            Ok(place) => {
                socket.data.wait_in(place);
                end_if_idle(&self.0, &socket);
            }
            Err(_) => {
                Refusal::Unavailable.record();
                hang_up(&socket);
            }
        }
    }

    fn on_disconnect(&self, socket: Arc<Socket<Connection>>, _reason: DisconnectReason) {
        socket.data.close();
    }

    fn on_message(self: &Arc<Self>, msg: Str, socket: Arc<Socket<Connection>>) {
        self.heard(Message::Text(msg), socket);
    }

    fn on_binary(self: &Arc<Self>, data: Bytes, socket: Arc<Socket<Connection>>) {
        self.heard(Message::Binary(data), socket);
    }
}
