//! How many files a process may have open.

use anyhow::Result;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit of this process to what the system allows it, for all that it starts: HAProxy alone has two
/// connections open for each client.
pub fn raise_open_files() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}
