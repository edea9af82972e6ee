//! The engine of a Starling node: it orders, stores, delivers and resumes conversations.
//!
//! Architecture invariant: no Redis, no MongoDB, no sockets, no HTTP here; what the engine asks of the world
//! stands in [`ports`]. [`memory`] implements them in this process, for tests under paused time.

mod attempts;
mod audit;
mod auth;
mod chance;
mod connections;
pub mod coordination;
mod delivery;
mod engine;
mod event;
mod events;
mod fail_points;
mod local_rate;
mod lru_cache;
mod marks;
pub mod memory;
mod node_message;
mod offline;
mod outbox;
pub mod people;
pub mod ports;
mod presence;
mod rate;
mod receipts;
mod recent;
pub mod records;
mod registration;
mod rosters;
mod sequencer;
mod session;
mod settings;
mod shared;
mod standing;
mod time;
mod typing;
mod users;

pub use auth::{Authenticator, Identity, authenticate_within, until_expired};
#[cfg(feature = "failpoints")]
pub use chance::{Seeded, seed_thread};
pub use engine::{Engine, Health};
pub use event::SharedFrame;
pub use events::EventsFrom;
pub use fail_points::{WINDOWS, defect, planted, window};
pub use lru_cache::lru_cache;
pub use outbox::{Drained, Outbox};
pub use session::{Session, SessionGuard};
pub use settings::Settings;
