//! Measures Starling beside what it replaces: the same loads, the same MongoDB, the same Redis, in one run, the
//! generator beside them on the same machine. `cargo xtask bench` builds and runs it.
//!
//! Architecture invariant: a figure counts only if every send was acknowledged, every user received every message,
//! and the store holds as many messages as were acknowledged; otherwise the run fails.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for a terminal: it prints"
)]

mod idle;
mod latencies;
mod load;
mod memory;
mod plan;
mod report;
mod socket;
mod store;
mod systems;
mod wire;
mod yardstick;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;

use crate::plan::{Case, Plan};

#[derive(Parser)]
#[command(name = "starling-bench", about = "Measures Starling beside what it replaces")]
struct Cli {
    /// The release build of the node
    #[arg(long)]
    binary: PathBuf,
    /// How often the two that are compared are put under each load; the medians are reported. All others are once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    runs: u32,
    /// For how many seconds each load is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Measure only these
    #[arg(long, value_enum)]
    only: Vec<Case>,
    /// Do not measure the yardstick (which needs Node.js and npm)
    #[arg(long)]
    without_yardstick: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run(Cli::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    let plan = Plan {
        binary: cli.binary,
        runs: cli.runs,
        measured: Duration::from_secs(cli.seconds),
        only: cli.only,
        yardstick: !cli.without_yardstick,
    };
    let report = tokio::select! {
        report = plan.run() => report?,
        // Dropped, it leaves nothing running.
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            bail!("interrupted; nothing is left running")
        }
    };
    println!("\n{}", report.table());
    Ok(())
}
