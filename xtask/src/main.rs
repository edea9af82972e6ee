//! The automation of this repository: `cargo xtask --help`. One file or folder for each command.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for a terminal: it prints"
)]

mod bench;
mod chaos;
mod cluster;
mod interrupt;
mod javascript;
mod load;
mod setup;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The automation of this repository")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find or install the programs that a cluster needs: redis-server, mongod, haproxy, k6
    Setup,
    /// Run a cluster on this machine: Redis, MongoDB, three nodes and HAProxy
    Cluster(cluster::Args),
    /// Load a cluster with k6: the running one, or one that is started for it
    Load(load::Args),
    /// Measure how much a cluster stores and delivers
    Bench(bench::Args),
    /// Strike a cluster with faults, and check that it keeps its promises
    Chaos(chaos::Args),
    /// Check everything: format, lints, tests
    Test,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run(Cli::parse().command)).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Setup => setup::run_for_tests().map(|()| ExitCode::SUCCESS),
        Command::Cluster(args) => cluster::run(args).await,
        Command::Load(args) => load::run(args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Chaos(args) => chaos::run(args).await,
        Command::Test => test::run().await.map(|()| ExitCode::SUCCESS),
    }
}
