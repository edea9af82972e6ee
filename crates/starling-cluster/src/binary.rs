//! Building the node.

use std::env;
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::paths::workspace_root;

/// How the node is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Dev,
    /// Quick to run.
    Release,
}

/// The environment variable that names the binary which tests shall use, built beforehand.
pub const TEST_BINARY_VARIABLE: &str = "STARLING_TEST_BINARY";

/// Arguments of cargo that put fail points into the node.
pub const FAIL_POINTS: [&str; 2] = ["--features", "starling-node/failpoints"];

const NODE: &str = "starling-node";

/// Builds the `starling` binary if it is not up to date, and tells where it is. What the compiler says is seen.
pub async fn build_node(profile: Profile) -> Result<PathBuf> {
    match profile {
        Profile::Dev => build(&["--package", NODE]).await,
        Profile::Release => build(&["--package", NODE, "--release"]).await,
    }
}

/// Builds all that `cargo test --workspace` with [`FAIL_POINTS`] runs, and the node with fail points along with it:
/// built by itself it would be compiled a second time with all that it depends on, for these differ in features.
/// Returns where the node is.
pub async fn build_tests_and_node() -> Result<PathBuf> {
    let all = ["--workspace", "--all-targets"];
    keep_copy(&build(&[&all[..], &FAIL_POINTS].concat()).await?)
}

/// A development build of the node with fail points, for tests. The first call of a process builds it, unless
/// `STARLING_TEST_BINARY` names one.
///
/// It is a copy: a later build without fail points would otherwise replace it under the tests' feet.
pub async fn node_with_fail_points() -> Result<PathBuf> {
    static BINARY: OnceCell<PathBuf> = OnceCell::const_new();
    let binary = BINARY.get_or_try_init(|| async {
        if let Some(path) = env::var_os(TEST_BINARY_VARIABLE) {
            return Ok(PathBuf::from(path));
        }
        keep_copy(&build(&[&["--package", NODE][..], &FAIL_POINTS].concat()).await?)
    });
    binary.await.cloned()
}

async fn build(args: &[&str]) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--message-format", "json-render-diagnostics"])
        .args(args);
    command
        .current_dir(workspace_root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let output = command.output().await.context("cannot run cargo")?;
    if !output.status.success() {
        bail!("`cargo build {}` failed ({})", args.join(" "), output.status);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut executables = messages.lines().filter_map(executable_of_the_node);
    executables
        .next_back()
        .context("cargo built no program named starling")
}

/// The program itself: its unit tests are an executable of the same name.
fn executable_of_the_node(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_node = message["target"]["name"] == "starling" && message["profile"]["test"] == false;
    is_node
        .then(|| message["executable"].as_str().map(PathBuf::from))
        .flatten()
}

fn keep_copy(built: &Path) -> Result<PathBuf> {
    let dir = workspace_root().join("target/test-node");
    let copy = dir.join("starling");
    let source = fs::metadata(built)?;
    let built_at = source.modified()?;
    let same =
        |kept: Metadata| kept.len() == source.len() && kept.modified().is_ok_and(|time| time == built_at);
    if fs::metadata(&copy).is_ok_and(same) {
        return Ok(copy);
    }
    fs::create_dir_all(&dir)?;
    // Renamed into place: an earlier copy may be running.
    let temporary = dir.join(format!("starling-{}", std::process::id()));
    fs::copy(built, &temporary).with_context(|| format!("cannot copy {}", built.display()))?;
    File::options()
        .write(true)
        .open(&temporary)?
        .set_modified(built_at)?;
    fs::rename(&temporary, &copy)?;
    Ok(copy)
}
