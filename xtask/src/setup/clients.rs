//! Clients of other makers, and what they run in.

use std::process::{Command, Stdio};

use anyhow::Result;
use starling_cluster::SocketIoClients;

use super::apt;

/// Programs, how they are asked whether they are there, and the Debian packages that have them.
const RUNTIMES: [(&str, &[&str], &str); 3] = [
    ("node", &["--version"], "nodejs"),
    ("npm", &["--version"], "npm"),
    ("python3", &["-m", "pip", "--version"], "python3-pip"),
];

pub(super) fn install() -> Result<()> {
    let missing: Vec<&str> = RUNTIMES
        .into_iter()
        .filter(|(program, args, _)| !runs(program, args))
        .map(|(.., package)| package)
        .collect();
    if !missing.is_empty() && apt::is_here() {
        apt::install(&missing)?;
    }
    SocketIoClients::install()?;
    Ok(())
}

fn runs(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
