//! The programs that a cluster is made of, besides Starling itself, and where they are.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::paths::tools_dir;

/// Debian puts servers where an ordinary user's `PATH` does not look.
const SYSTEM_DIRS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// A program that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    /// The coordination service.
    RedisServer,
    /// The database.
    Mongod,
    /// The balancer in front of the nodes.
    Haproxy,
    /// The load generator.
    K6,
}

impl Tool {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Tool; 4] = [Tool::RedisServer, Tool::Mongod, Tool::Haproxy, Tool::K6];

    /// The name of the program file.
    pub fn program(self) -> &'static str {
        match self {
            Tool::RedisServer => "redis-server",
            Tool::Mongod => "mongod",
            Tool::Haproxy => "haproxy",
            Tool::K6 => "k6",
        }
    }

    /// The earliest version that will do.
    pub fn minimum(self) -> (u32, u32) {
        match self {
            Tool::RedisServer => (7, 0),
            Tool::Mongod => (6, 0),
            Tool::Haproxy => (2, 6),
            Tool::K6 => (1, 0),
        }
    }

    /// The first of the program's copies that runs and is new enough: in `PATH`, where the system keeps its
    /// servers, then in [`tools_dir`]. The error says what was wrong with those that were found.
    pub fn find(self) -> Result<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let places = env::split_paths(&path)
            .chain(SYSTEM_DIRS.map(PathBuf::from))
            .chain([tools_dir()]);
        let mut faults = Vec::new();
        for place in places {
            let program = place.join(self.program());
            if !program.is_file() {
                continue;
            }
            match self.check(&program) {
                Ok(()) => return Ok(program),
                Err(fault) => faults.push(fault.to_string()),
            }
        }
        faults.dedup();
        if faults.is_empty() {
            Err(anyhow!("{self} was not found"))
        } else {
            Err(anyhow!(faults.join("; ")))
        }
    }

    /// The same, for those who need it now.
    pub(crate) fn require(self) -> Result<PathBuf> {
        self.find()
            .context("a program is missing; `cargo xtask setup` finds or installs it")
    }

    /// Whether this copy of the program runs and is new enough.
    pub fn check(self, program: &Path) -> Result<()> {
        let version_flag = match self {
            Tool::K6 => "version",
            Tool::Haproxy => "-v",
            Tool::RedisServer | Tool::Mongod => "--version",
        };
        let output = match Command::new(program).arg(version_flag).output() {
            Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
            Ok(output) => {
                let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                bail!("{} does not run: {complaint}", program.display());
            }
            Err(error) => bail!("{} does not run: {error}", program.display()),
        };
        let Some((major, minor)) = first_version(&output) else {
            bail!("{} does not tell its version", program.display());
        };
        if (major, minor) < self.minimum() {
            let (least_major, least_minor) = self.minimum();
            bail!(
                "{} is version {major}.{minor}, at least {least_major}.{least_minor} is needed",
                program.display()
            );
        }
        Ok(())
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.program())
    }
}

/// The first `number.number` in what a program says of itself.
fn first_version(text: &str) -> Option<(u32, u32)> {
    let numbers_and_dots = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    numbers_and_dots
        .filter_map(|word| word.split_once('.'))
        .find_map(|(major, rest)| {
            let minor = rest.split('.').next()?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_each_program_prints_them() {
        let check = |text: &str, expected| assert_eq!(first_version(text), expected, "{text}");
        check(
            "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64",
            Some((7, 0)),
        );
        check("db version v6.0.5\nBuild Info: {", Some((6, 0)));
        check(
            "HAProxy version 2.6.12-1+deb12u4, the way Debian has it",
            Some((2, 6)),
        );
        check(
            "k6 v1.1.0 (commit/0e3fb953be, go1.24.4, linux/amd64)",
            Some((1, 1)),
        );
        check("usage: ...", None);
    }
}
