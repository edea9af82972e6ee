//! `starling-check`: judges what a run has left behind. See the library.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use starling_check::{check, read_history, read_store};

/// Decides from a history and the store's final state whether Starling kept its promises.
///
/// Exits with 0 if every invariant held, 1 if one was violated, 2 if there is nothing that could be checked.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A directory with `history.jsonl` and `store.jsonl`.
    #[arg(required_unless_present_all = ["history", "store"])]
    directory: Option<PathBuf>,
    /// The history, if it is elsewhere.
    #[arg(long)]
    history: Option<PathBuf>,
    /// The store's state, if it is elsewhere.
    #[arg(long)]
    store: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(1),
        Err(error) => {
            // Where nobody listens there is nobody to tell.
            let _ = writeln!(io::stderr(), "starling-check: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether something was violated.
fn run(arguments: &Arguments) -> Result<bool> {
    let file = |given: &Option<PathBuf>, name: &str| match (given, &arguments.directory) {
        (Some(file), _) => Ok(file.clone()),
        (None, Some(directory)) => Ok(directory.join(name)),
        (None, None) => anyhow::bail!("no {name}"),
    };
    let history = read_history(&file(&arguments.history, "history.jsonl")?)?;
    let store = read_store(&file(&arguments.store, "store.jsonl")?)?;
    let report = check(&history.records, &store);

    let mut text = report.excerpts();
    if history.truncated {
        text += "The history's last line was cut off, and is left out.\n";
    }
    text += &report.recovery_by_fault();
    text += &report.table();
    io::stdout()
        .write_all(text.as_bytes())
        .context("cannot print the result")?;
    Ok(report.is_violated())
}
