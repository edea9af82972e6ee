//! Coordination through Redis 7: leases, pub/sub, routes, the last entries of conversations, the session map, presence, the offline index,
//! rate limits, codes to sign in with, which conversations have events that are not told.
//!
//! Constraints that shaped this crate:
//!
//! - Nothing here decides what was said. All of it may vanish, go back in time or be unreachable at any moment;
//!   that costs latency, never a message. So no command is retried behind the caller's back, and none waits:
//!   each method fails within about [`RedisSettings::command_timeout`], and at once while Redis is known not
//!   to answer.
//! - It runs on a standalone server and on Redis Cluster alike. All keys of a script share a hash tag; whatever
//!   concerns many keys is many commands in flight at once.
//! - Pub/sub is at most once. Whatever may have lost a message (lag, a broken or replaced connection) ends in a
//!   [`starling_core::ports::BusEvent::Missed`].
//!
//! Architecture invariant: no other crate knows Redis, and this one knows no other adapter.
//!
//! `docs/redis.md` lists every key and channel.

mod bus;
mod client;
mod closing;
mod codes;
mod connections;
mod error;
mod events;
mod keys;
mod lane;
mod leases;
mod offline;
mod presence;
mod rate;
mod recent;
mod scripts;
mod sessions;
mod settings;
mod subscriber;

pub use client::Redis;
pub use error::RedisError;
pub use settings::RedisSettings;
