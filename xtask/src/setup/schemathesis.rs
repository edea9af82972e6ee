//! Schemathesis, which holds the nodes to the OpenAPI document that they serve: for the tests alone.
//!
//! It is a program in Python with many dependencies, so it gets a virtual environment of its own under
//! `target/tools`, made of exactly the files that `schemathesis.txt` lists: another version would make other requests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use starling_cluster::schemathesis_dir;

use super::{apt, lock};

const REQUIREMENTS: &str = include_str!("schemathesis.txt");
/// What is installed, as a file in the environment; written last.
const INSTALLED: &str = "installed.txt";

/// Sees to it that the environment is there.
pub(super) fn run() -> Result<()> {
    let _lock = lock()?;
    let home = schemathesis_dir();
    if !is_installed(&home) {
        println!("getting schemathesis from PyPI");
        install(&home)
            .context("could not get schemathesis, which takes CPython 3.11 to 3.14 on Linux on x86-64")?;
    }
    println!("{:<13} {}", "schemathesis", program(&home).display());
    Ok(())
}

fn is_installed(home: &Path) -> bool {
    fs::read_to_string(home.join(INSTALLED)).is_ok_and(|installed| installed == REQUIREMENTS)
        && check(home).is_ok()
}

fn install(home: &Path) -> Result<()> {
    require_venv()?;
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("cannot remove {}", home.display()))?;
    }
    succeed(Command::new("python3").args(["-m", "venv"]).arg(home))?;
    let requirements = home.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS)?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--requirement",
    ];
    succeed(Command::new(home.join("bin/python")).args(pip).arg(&requirements))?;
    check(home)?;
    fs::rename(requirements, home.join(INSTALLED))?;
    Ok(())
}

/// Whether it runs: the Python that the environment was made with may be gone.
fn check(home: &Path) -> Result<()> {
    succeed(Command::new(program(home)).arg("--version").stdout(Stdio::null()))
}

fn program(home: &Path) -> PathBuf {
    home.join("bin/schemathesis")
}

fn require_venv() -> Result<()> {
    // Debian keeps what environments begin with in a package of its own.
    let works = || {
        let mut command = Command::new("python3");
        command
            .args(["-c", "import ensurepip, venv"])
            .stderr(Stdio::null());
        succeed(&mut command).is_ok()
    };
    if works() {
        return Ok(());
    }
    if apt::is_here() {
        apt::install(&["python3", "python3-venv"])?;
    }
    if !works() {
        bail!("this takes python3 with venv");
    }
    Ok(())
}

fn succeed(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("{program} failed ({status})");
    }
    Ok(())
}
