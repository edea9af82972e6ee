//! Node.js with npm, and a browser: for the JavaScript client and the page alone, so that nothing else needs them.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::apt;

/// The earliest Node.js that will do: that of Debian 12.
const NODE_MAJOR: u32 = 18;
/// Where systems put it.
const CHROMIUM: [&str; 3] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
];
/// Names another one to the tests.
const CHROMIUM_VARIABLE: &str = "STARLING_CHROMIUM";

/// Finds them, or installs those that are missing.
pub(super) fn run() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    if apt::is_here() {
        apt::install(&missing)?;
    }
    let missing = self::missing();
    if !missing.is_empty() {
        bail!(
            "the tests of the JavaScript client and the page need Node.js {NODE_MAJOR} or later with npm, and Chromium (or its \
             path in {CHROMIUM_VARIABLE}); missing here: {}",
            missing.join(", ")
        );
    }
    Ok(())
}

/// Debian's names of what is missing.
fn missing() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if version("node").is_none_or(|major| major < NODE_MAJOR) {
        missing.push("nodejs");
    }
    if version("npm").is_none() {
        missing.push("npm");
    }
    let named = std::env::var_os(CHROMIUM_VARIABLE);
    let has_chromium = named.is_some_and(|path| Path::new(&path).exists())
        || CHROMIUM.iter().any(|path| Path::new(path).exists());
    if !has_chromium {
        missing.push("chromium");
    }
    missing
}

/// The major version of a program that is there.
fn version(program: &str) -> Option<u32> {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    major(&String::from_utf8_lossy(&output.stdout))
}

fn major(version: &str) -> Option<u32> {
    version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_node_and_npm_print_them() {
        let check = |text: &str, expected| assert_eq!(major(text), expected, "{text}");
        check("v20.20.2\n", Some(20));
        check("11.19.1\n", Some(11));
        check("", None);
        check("not found", None);
    }
}
