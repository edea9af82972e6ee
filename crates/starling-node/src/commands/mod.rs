//! The commands besides `serve`. Each prints its result alone on standard output.

pub(crate) mod admin;
pub(crate) mod config;
pub(crate) mod healthcheck;
pub(crate) mod secret;
pub(crate) mod token;

use std::io::Write;

use anyhow::Result;

/// Prints a command's result.
pub(crate) fn say(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{}", text.trim_end()).map_err(Into::into)
}

/// For commands that talk to something: no threads but this one.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}
