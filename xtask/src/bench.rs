//! `cargo xtask bench`: Starling beside what it replaces, measured in one run; see the crate `starling-bench`.

use std::ffi::OsString;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use starling_cluster::{build_release, raise_open_files, workspace_root};
use tokio::process::Command;

use crate::setup;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What `starling-bench` takes, such as `--runs 1 --only hot`; `--help` lists it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    setup::run()?;
    raise_open_files().context("cannot raise the limit of open files")?;
    println!("building the node and the load generator");
    // Both in one go: what they depend on is then compiled once.
    let [node, bench] = build_release(["starling", "starling-bench"]).await?;
    let status = Command::new(bench)
        .arg("--binary")
        .arg(node)
        .args(args.args)
        .current_dir(workspace_root())
        .stdin(Stdio::null())
        .status()
        .await
        .context("cannot run starling-bench")?;
    match status.success() {
        true => Ok(ExitCode::SUCCESS),
        false => bail!("starling-bench failed ({status})"),
    }
}
