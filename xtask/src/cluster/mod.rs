//! `cargo xtask cluster`: the development cluster, on fixed ports, in `target/cluster/`.

mod logs;
mod manage;
mod up;
mod watch;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use starling_cluster::{Env, development_cluster_dir};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: UpArgs,
}

#[derive(clap::Args)]
struct UpArgs {
    /// Return once every node and the front are ready; `cargo xtask cluster down` ends the cluster
    #[arg(long)]
    detach: bool,
    /// Run the development build of the node, not the release build
    #[arg(long)]
    dev: bool,
    /// Run this binary of the node instead of building one
    #[arg(long, value_name = "PATH", conflicts_with = "dev")]
    binary: Option<PathBuf>,
    /// How many members the MongoDB replica set has
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=7))]
    mongo_members: u8,
    /// A setting of every node, as an environment variable; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
}

#[derive(Subcommand)]
enum Command {
    /// Stop the cluster and wipe its data
    Down {
        /// Keep the data for the next start
        #[arg(long)]
        keep: bool,
    },
    /// Show every process of the cluster, and whether it is ready; the exit code tells whether all are
    Status,
    /// Kill a node (SIGKILL)
    Kill {
        /// 1 for node1, and so on
        node: usize,
    },
    /// Start a node again, and wait until it is ready
    Start {
        /// 1 for node1, and so on
        node: usize,
    },
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let Some(command) = args.command else {
        return up::run(args.up).await;
    };
    match command {
        Command::Down { keep } => manage::down(keep).await,
        Command::Status => manage::status().await,
        Command::Kill { node } => manage::kill(node).await,
        Command::Start { node } => manage::start(node).await,
    }
}

/// Waits until no other command changes the development cluster, and keeps others waiting while it lives. It lies
/// beside the cluster's directory, which may be wiped meanwhile.
fn lock() -> Result<File> {
    let path = development_cluster_dir().with_extension("lock");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    if file.try_lock().is_err() {
        println!("waiting for another `cargo xtask cluster` command to end");
        file.lock()?;
    }
    Ok(file)
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl UpArgs {
    fn env(&self) -> Env {
        self.env.iter().cloned().collect()
    }
}
