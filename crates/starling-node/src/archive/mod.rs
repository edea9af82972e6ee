//! `starling export` and `starling import`: a whole store as a file of JSON lines, and back.
//!
//! Records come sort by sort and by their keys, so a file and a store are compared by reading both from the beginning.
//! That is what makes both commands resumable, and what verifies them: what is there already is recognised, and at the end
//! every record has been read again on both sides.

mod export;
mod file;
mod import;
mod store;
mod walk;

pub(crate) use export::ExportArgs;
pub(crate) use import::ImportArgs;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Records that are read or written at a time.
const CHUNK: usize = 500;

/// Runs `starling export`.
pub(crate) fn export(inputs: &crate::settings::Inputs, args: &ExportArgs) -> anyhow::Result<()> {
    crate::commands::block_on(export::run(inputs, args))
}

/// Runs `starling import`.
pub(crate) fn import(inputs: &crate::settings::Inputs, args: &ImportArgs) -> anyhow::Result<()> {
    crate::commands::block_on(import::run(inputs, args))
}

/// A bar on the terminal; nothing where standard error is none.
fn progress(what: &'static str, total: u64) -> anyhow::Result<ProgressBar> {
    let style = "{msg} {wide_bar} {human_pos}/{human_len} records, {eta} left";
    let bar = ProgressBar::new(total)
        .with_style(ProgressStyle::with_template(style)?)
        .with_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}
