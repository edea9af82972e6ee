//! The command line: what can be asked of the binary, and how it exits.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::archive;
use crate::commands;
use crate::settings::{Inputs, Problems};

/// The settings or the arguments are wrong; nothing was tried.
const EXIT_USAGE: u8 = 2;

/// A chat backend that you run yourself.
#[derive(Debug, Parser)]
#[command(name = "starling", version)]
struct Cli {
    /// A settings file (TOML). STARLING_* variables win over it; `starling config` prints the outcome.
    #[arg(long, global = true, env = "STARLING_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// It is about a cluster, also where none of its services is set: those are looked for on this machine.
    #[arg(long, global = true)]
    cluster: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a node (what happens without a command, too): of a cluster where one of its services is set, and
    /// otherwise one that needs nothing but this machine.
    Serve,
    /// Mints a token for trying things, with the node's own secret (HS256), and prints it.
    Token(commands::token::Args),
    /// Asks the node on this machine whether it is ready; exit code 0 or 1, for container probes.
    Healthcheck(commands::healthcheck::Args),
    /// Prints the effective settings and where each comes from, secrets masked.
    Config,
    /// Makes a file with a random secret for tokens, unless it is there already.
    Secret(commands::secret::Args),
    /// Takes everything out of the store, into a file of JSON lines. No node may work on it meanwhile.
    Export(archive::ExportArgs),
    /// Puts everything that a file of `starling export` holds into an empty store, and verifies it.
    Import(archive::ImportArgs),
    /// What an operator does to the services around the nodes.
    #[command(subcommand)]
    Admin(commands::admin::Command),
}

/// Does what the arguments say.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let command = cli.command.unwrap_or(Command::Serve);
    let config = cli.config.filter(|path| !path.as_os_str().is_empty());
    let inputs = Inputs::of_process(config, cli.cluster);
    let outcome = match command {
        Command::Serve => crate::serve::run(&inputs),
        Command::Token(args) => commands::token::run(&inputs, &args),
        Command::Healthcheck(args) => commands::healthcheck::run(&inputs, &args),
        Command::Config => commands::config::run(&inputs),
        Command::Secret(args) => commands::secret::run(&args),
        Command::Export(args) => archive::export(&inputs, &args),
        Command::Import(args) => archive::import(&inputs, &args),
        Command::Admin(command) => commands::admin::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "starling: {error:#}");
            if error.is::<Problems>() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
