//! The native entrance: WebSocket connections at `/ws` that speak `docs/protocol.md`.
//!
//! One task serves a connection: its reader decodes frames and hands commands to the engine's
//! [`Session`](starling_core::Session), its writer writes what the session's
//! [`Outbox`](starling_core::Outbox) holds. Both run in that task but neither waits for the other, so a command
//! that takes long holds up no delivery. Buffers are small, since most connections are idle.
//!
//! Architecture invariants: no order, no storage, no membership here: what a command means is the engine's
//! business. A token never reaches a log line. A session is closed whichever way its connection ends.
//!
//! ```no_run
//! # use std::{net::SocketAddr, sync::Arc};
//! # use starling_gateway::{Gateway, GatewaySettings, TunedListener, listen, router};
//! # async fn serve(engine: Arc<starling_core::Engine>, auth: Arc<dyn starling_core::Authenticator>) -> std::io::Result<()> {
//! let gateway = Gateway::new(engine, auth, GatewaySettings::default());
//! let listener: TunedListener = listen("0.0.0.0:8080".parse().expect("an address"))?;
//! let app = router(gateway).into_make_service_with_connect_info::<SocketAddr>();
//! axum::serve(listener, app).await
//! # }
//! ```

mod closing;
mod connection;
mod first_frame;
mod forwarded;
mod gateway;
mod handshake;
mod heartbeat;
mod listener;
mod reader;
mod settings;
mod stream;
mod telemetry;
mod writer;

pub use forwarded::client_address;
pub use gateway::{Gateway, router};
pub use listener::{Accepting, TunedListener, listen, tune, tuned};
pub use settings::GatewaySettings;
pub use stream::TunedStream;
