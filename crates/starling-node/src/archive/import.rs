//! From a file to a store.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::file::{Reader, Summary};
use super::walk::{Mode, Walk};
use super::{progress, store};
use crate::settings::Inputs;

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The file that `starling export` has made.
    #[arg(long, value_name = "PATH")]
    file: PathBuf,
}

pub(super) async fn run(inputs: &Inputs, args: &ImportArgs) -> Result<()> {
    let path = &args.file;
    let summary = read_through(path)?;
    let (target, name) = store::open(inputs).await?;
    let walk = Walk {
        path,
        store: &*target,
        name: &name,
        advice: "import only into an empty store, and with no node working on it",
    };
    walk.refuse_others().await?;
    let bar = progress("importing", summary.total())?;
    let put = walk.go(&bar, Mode::Put).await?;
    bar.finish_and_clear();
    let bar = progress("verifying", summary.total())?;
    walk.go(&bar, Mode::Verify).await?;
    bar.finish_and_clear();
    crate::commands::say(&format!(
        "imported {put} of {} records into {name}, the others were there; all were read back and are those of {} \
         (sha256 {})",
        summary.total(),
        path.display(),
        summary.sha256
    ))
}

/// Checks the whole file before anything is put anywhere.
fn read_through(path: &Path) -> Result<Summary> {
    let mut reader = Reader::open(path)?;
    while reader.next()?.is_some() {}
    reader.summary().cloned()
}
