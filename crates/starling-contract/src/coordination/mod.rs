//! What only buys speed.
#![allow(missing_docs, reason = "a case's name says what it holds the ports to")]

mod support;

pub mod bus;
pub mod codes;
pub mod events;
pub mod leases;
pub mod offline;
pub mod presence;
pub mod rate;
pub mod recent;
pub mod sessions;
