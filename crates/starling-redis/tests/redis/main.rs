//! The ports against real servers: the same cases on a standalone Redis and on a Redis Cluster of three
//! masters, which the tests start themselves.
#![allow(clippy::unwrap_used, reason = "a panic fails the test, and says where")]

mod server;
mod support;

mod bus;
mod codes;
mod contract;
mod events;
mod leases;
mod offline;
mod presence;
mod rate;
mod recent;
mod recovery;
mod security;
mod sessions;
