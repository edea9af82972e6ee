//! What happened, recorded and checked.
//!
//! A run's history ([`history`]) is written by a [`Recorder`] below the client library, from raw frames, so that
//! no client can hide a double or a gap.

mod client_recorder;
mod digest;
pub mod history;
mod recorder;
pub mod store;

pub use client_recorder::ClientRecorder;
pub use digest::Digest;
pub use history::Record;
pub use recorder::Recorder;
