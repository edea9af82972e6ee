//! The adapter against real MongoDB servers.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails fails its test, like the test's own lines"
)]

mod contract;
mod directory;
mod explain;
mod failover;
mod halted;
mod messages;
mod replica_set;
mod retries;
mod server;
