//! The store against its contract, and what only it has: one process, one file, one schema.
#![allow(clippy::unwrap_used, reason = "a panic fails the test, and says where")]

mod contract;
mod opening;
