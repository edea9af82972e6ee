//! The adapter against real MongoDB servers.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails fails its test, like the test's own lines"
)]

mod accounts;
mod contacts;
mod directory;
mod dissolution;
mod entry_log;
mod explain;
mod failover;
mod governance;
mod halted;
mod messages;
mod presence;
mod replica_set;
mod retries;
mod sample;
mod server;
mod sign_ins;
