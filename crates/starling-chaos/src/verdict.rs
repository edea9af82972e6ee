//! What a run has shown.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use starling_check::{Report, check, read_history, read_store};
use tokio::time::Instant;

/// Whether everything held.
#[derive(Debug)]
pub struct Verdict {
    /// Where the plan, the history, the store's state and the logs are.
    pub dir: PathBuf,
    /// What went wrong that is no invariant: a fault that struck nothing, a client that did not come back.
    pub problems: Vec<String>,
    /// What the checker says.
    pub report: Report,
}

impl Verdict {
    /// Whether nothing at all was wrong.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty() && !self.report.is_violated()
    }

    /// Prints it. The last twelve lines are the table.
    pub fn print(&self) {
        println!(
            "\nrecovery, from a fault's start to each conversation's first acknowledgement of a send made after it:"
        );
        print!("{}", self.report.recovery_by_fault());
        if self.report.is_violated() {
            print!("\n{}", self.report.excerpts());
            println!("all of it is in {}", self.dir.display());
        }
        for problem in &self.problems {
            println!("problem: {problem}");
        }
        print!("\n{}", self.report.table());
    }
}

/// Checks what a run has left in its directory.
pub(crate) fn reach(dir: &Path, problems: Vec<String>) -> Result<Verdict> {
    let began = Instant::now();
    let history = read_history(&dir.join("history.jsonl")).context("the history")?;
    let store = read_store(&dir.join("store.jsonl")).context("the store's state")?;
    let report = check(&history.records, &store);
    println!(
        "{} records and {} stored entries and conversations checked in {:.1} s",
        history.records.len(),
        store.len(),
        began.elapsed().as_secs_f64()
    );
    Ok(Verdict {
        dir: dir.to_path_buf(),
        problems,
        report,
    })
}
