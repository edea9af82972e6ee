//! Open files: each connection takes one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::{debug, warn};

/// Below this an operator should know.
const FEW: u64 = 4_096;

/// Raises the soft limit to the hard one; the soft one is low only for programs that use `select`.
pub(crate) fn raise_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        Ok((soft, hard))
    });
    match raised {
        Ok((_, hard)) if hard < FEW => {
            warn!(
                limit = hard,
                "few files may be open, and every connection takes one: raise the hard limit"
            );
        }
        Ok((soft, hard)) => debug!(soft, hard, "open files"),
        Err(error) => warn!(%error, "the limit of open files cannot be raised"),
    }
}
