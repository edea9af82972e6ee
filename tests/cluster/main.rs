//! Tests across processes: real nodes, Redis, MongoDB and HAProxy, and clients that are other programs to them.
//!
//! Each test starts a cluster of its own on free ports. They run one after the other, since two of them would
//! only measure one another.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should panic where it stands"
)]
#![allow(
    clippy::print_stdout,
    reason = "what a fault run went through is of interest, not only that it passed"
)]

mod attempts;
mod auth_service;
mod bad_input;
mod chaos;
mod cluster_redis;
mod described;
mod drain;
mod events;
mod faults;
mod history;
mod http_service;
mod idempotency;
mod keys;
mod limits;
mod load;
mod messages;
mod moderation;
mod people;
mod presence;
mod raw;
mod receipts;
mod secrets;
mod socketio;
mod stage;
mod standalone;
mod statistics;
mod talk;
mod webhook;
