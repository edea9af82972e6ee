//! Deterministic simulation: engines over in-process ports under paused time, on one thread, with every delay,
//! fault and wish drawn from one seed.
//!
//! ```sh
//! cargo test -p starling-core --features failpoints --test simulation
//! STARLING_SEED=1234 cargo test -p starling-core --features failpoints --test simulation seeds -- --nocapture
//! STARLING_SEEDS=5000 cargo test -p starling-core --features failpoints --test simulation seeds
//! ```
//!
//! A seed that fails prints its plan and the checker's report; run alone it fails again in the same way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should panic where it stands"
)]
#![allow(
    clippy::print_stdout,
    reason = "what a run went through is for people to read"
)]

mod asking;
mod client;
mod cluster;
mod connection;
mod coverage;
mod faults;
mod plan;
mod planted;
mod run;
mod seeds;
mod workload;
