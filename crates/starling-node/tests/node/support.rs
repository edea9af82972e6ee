//! Running the binary with an environment of its own.

use std::process::{Command, Output, Stdio};

pub(crate) const SECRET: &str = "a secret of thirty-two bytes!!!!";

/// The binary, seeing nothing of the environment that the tests run in.
pub(crate) fn starling(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_starling"));
    command
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::null());
    command
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str], env: &[(&str, &str)]) -> Ended {
    let Output {
        status,
        stdout,
        stderr,
    } = starling(args, env).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        code: status.code(),
        out: text(stdout),
        err: text(stderr),
    }
}
