//! `cargo xtask test`: everything that must hold before a change lands.

use std::env;
use std::ffi::{OsStr, OsString};

use anyhow::{Context, Result, bail};
use starling_cluster::{FAIL_POINTS, TEST_BINARY_VARIABLE, build_tests_and_node, tools_dir};
use tokio::process::Command;
use tokio::time::Instant;

use crate::{javascript, setup};

const STEPS: usize = 6;

pub(crate) async fn run() -> Result<()> {
    let began = Instant::now();
    let mut steps = Steps { number: 0 };
    steps
        .step("the programs that the tests need", async || {
            setup::run_for_tests()
        })
        .await?;
    steps
        .step("format", async || {
            cargo(&["fmt", "--all", "--", "--check"])?.succeed().await
        })
        .await?;
    steps
        .step("lints", async || cargo(&LINTS)?.succeed().await)
        .await?;
    let node = steps.step("build", async || build_tests_and_node().await).await?;
    // What fails in one program says little of the others: all of them run.
    let mut tests = cargo(&[&["test", "--workspace", "--no-fail-fast"][..], &FAIL_POINTS].concat())?;
    // Each test would otherwise build the node by itself.
    tests.env(TEST_BINARY_VARIABLE, &node);
    steps.step("tests", async || tests.succeed().await).await?;
    steps
        .step("the JavaScript client and the page", async || {
            javascript::test(&node).await
        })
        .await?;
    println!(
        "\nall {STEPS} steps passed in {:.0} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

const LINTS: [&str; 6] = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];

struct Steps {
    number: usize,
}

impl Steps {
    async fn step<T>(&mut self, name: &str, work: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        self.number += 1;
        let began = Instant::now();
        println!("\n=== {} of {STEPS}: {name}", self.number);
        let outcome = Box::pin(work()).await;
        let seconds = began.elapsed().as_secs_f64();
        if outcome.is_ok() {
            println!("=== {name}: passed in {seconds:.1} s");
        }
        outcome.with_context(|| format!("{name}: failed after {seconds:.1} s"))
    }
}

fn cargo(args: &[&str]) -> Result<Command> {
    let mut command = starling_cluster::cargo();
    command.args(args).env("PATH", path()?);
    Ok(command)
}

trait Succeed {
    async fn succeed(&mut self) -> Result<()>;
}

impl Succeed for Command {
    /// Runs it to its end; any exit code but 0 is an error.
    async fn succeed(&mut self) -> Result<()> {
        let status = self.status().await.context("cannot run cargo")?;
        if !status.success() {
            let args: Vec<_> = self.as_std().get_args().map(OsStr::to_string_lossy).collect();
            bail!("`cargo {}` failed ({status})", args.join(" "));
        }
        Ok(())
    }
}

/// `PATH`, with the programs that `setup` installed at its end.
fn path() -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths(env::split_paths(&path).chain([tools_dir()]))?)
}
