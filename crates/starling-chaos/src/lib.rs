//! Fault runs on real processes: a cluster under load, faults by a plan, and the question at the end whether
//! anything that was promised did not hold.
//!
//! A run starts three nodes with fail points, a replica set of three, Redis and HAProxy, with a small proxy on every
//! link from a node to Redis or MongoDB ([`network`]). Sixty recorded clients make the load ([`load`]). The
//! [`faults`] strike one after the other, each proves that it struck, and when all are over and every client has
//! caught up, the history and what MongoDB holds go to `starling-check`.
#![allow(
    clippy::print_stdout,
    reason = "a run takes minutes, and says where it is; its commands are for a terminal"
)]

mod faults;
mod load;
mod meter;
mod network;
mod plan;
mod raw;
mod run;
mod self_test;
mod settle;
mod stage;
mod step;
mod store;
mod topology;
mod verdict;

pub use faults::{FAULTS, Fault};
pub use plan::Plan;
pub use run::Run;
pub use self_test::{TRIALS, Trial};
pub use step::Step;
pub use verdict::Verdict;
