//! The wire: round trips, refusals, hostile bytes, and that docs/protocol.md says what the types say.

#![allow(
    clippy::unwrap_used,
    reason = "a helper's failure is its test's, and clippy.toml covers only the tests"
)]

mod corpus;
mod docs;
mod hostile;
mod refusals;
mod round_trips;
mod strategies;
