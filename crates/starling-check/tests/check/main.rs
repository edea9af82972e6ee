//! The checker against histories that are right, and histories that are not.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod doctored;
mod files;
mod generated;
mod handmade;
mod model;
mod recorded;
mod spoilt;
