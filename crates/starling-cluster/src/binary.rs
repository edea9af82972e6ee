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
const PROGRAM: &str = "starling";

/// Builds the `starling` binary if it is not up to date, and tells where it is. What the compiler says is seen.
pub async fn build_node(profile: Profile) -> Result<PathBuf> {
    match profile {
        Profile::Dev => build(&["--package", NODE]).await?.program(PROGRAM),
        Profile::Release => build(&["--package", NODE, "--release"]).await?.program(PROGRAM),
    }
}

/// Builds programs of these names, each of the package that is named like it or `starling-node`, for release, and
/// tells where they are, in the same order. In one go, so that what they depend on has one set of features.
pub async fn build_release<const N: usize>(programs: [&str; N]) -> Result<[PathBuf; N]> {
    let packages = programs.map(|program| if program == PROGRAM { NODE } else { program });
    let mut args = vec!["--release"];
    args.extend(packages.iter().flat_map(|package| ["--package", package]));
    let built = build(&args).await?;
    let mut paths = Vec::with_capacity(N);
    for program in programs {
        paths.push(built.program(program)?);
    }
    paths
        .try_into()
        .map_err(|_| anyhow::anyhow!("cargo built something else"))
}

/// Builds all that `cargo test --workspace` with [`FAIL_POINTS`] runs, and the node with fail points along with it:
/// built by itself it would be compiled a second time with all that it depends on, for these differ in features.
/// Returns where the node is.
pub async fn build_tests_and_node() -> Result<PathBuf> {
    let all = ["--workspace", "--all-targets"];
    keep_copy(
        &build(&[&all[..], &FAIL_POINTS].concat())
            .await?
            .program(PROGRAM)?,
    )
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
        let built = build(&[&["--package", NODE][..], &FAIL_POINTS].concat()).await?;
        keep_copy(&built.program(PROGRAM)?)
    });
    binary.await.cloned()
}

/// What cargo said that it has built, one JSON document a line.
struct Built(String);

impl Built {
    /// The program of this name itself: its unit tests are an executable of the same name.
    fn program(&self, name: &str) -> Result<PathBuf> {
        let executable = |message: &str| {
            let message: Value = serde_json::from_str(message).ok()?;
            let is_it = message["target"]["name"] == name && message["profile"]["test"] == false;
            is_it
                .then(|| message["executable"].as_str().map(PathBuf::from))
                .flatten()
        };
        self.0
            .lines()
            .rev()
            .find_map(executable)
            .with_context(|| format!("cargo built no program named {name}"))
    }
}

/// Cargo, in the workspace, as if it was started from a shell.
///
/// What `cargo run` sets for the program that it runs must not reach the cargo that this program starts: the build
/// script of `ring` looks at it, and everything behind TLS would be built anew at every change between the two.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_a_package = |name: &str| name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_");
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(of_a_package) {
            command.env_remove(name);
        }
    }
    command.current_dir(workspace_root()).stdin(Stdio::null());
    command
}

async fn build(args: &[&str]) -> Result<Built> {
    let mut command = cargo();
    command
        .args(["build", "--message-format", "json-render-diagnostics"])
        .args(args);
    command.stderr(Stdio::inherit()).kill_on_drop(true);
    let output = command.output().await.context("cannot run cargo")?;
    if !output.status.success() {
        bail!("`cargo build {}` failed ({})", args.join(" "), output.status);
    }
    Ok(Built(String::from_utf8_lossy(&output.stdout).into_owned()))
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
