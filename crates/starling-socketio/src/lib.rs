//! Socket.IO clients: Engine.IO 4 at `/socket.io/` (WebSocket, HTTP long polling, the upgrade from one to the other),
//! and Socket.IO 5 over it, in JSON and MessagePack. What is served stands in `docs/socketio.md`.
//!
//! engineioxide does the transports; it calls in order, once for each message. Packets are decoded there and then;
//! each namespace that a client connects to is one task over one [`Session`](starling_core::Session): its reader
//! carries out events in the order received, its writer translates what the session's
//! [`Outbox`](starling_core::Outbox) holds. What they mean is a [dialect](crate::dialect)'s business.
//!
//! Architecture invariants: no order, no storage, no membership here: dialects translate events to the core's commands
//! and the core's frames to events. A frame of the core is translated and encoded once for each dialect and parser,
//! and shared. What waits for or comes from one client is bounded. The engine's session id, which is the key to a
//! polling session, is told to nobody but its client.

mod asker;
mod connection;
mod decoder;
mod dialect;
mod end;
mod entrance;
mod handler;
mod inbox;
mod live;
mod names;
mod parser;
mod pending;
mod queue;
mod recovery;
mod rooms;
mod server;
mod settings;
mod socket;
mod sockets;
mod telemetry;
mod token;
mod value;
mod writer;

pub use entrance::router;
pub use server::SocketIo;
pub use settings::{ClientAddress, Identification, Origins, Rooms, SocketIoSettings};
