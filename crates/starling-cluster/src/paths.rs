//! Where things lie in the checkout.

use std::path::{Path, PathBuf};

/// The root of the checkout that this crate was built from.
pub fn workspace_root() -> PathBuf {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest_dir
        .ancestors()
        .nth(2)
        .unwrap_or(manifest_dir)
        .to_path_buf()
}

/// Where `cargo xtask setup` puts the programs that no package manager of the system has.
pub fn tools_dir() -> PathBuf {
    workspace_root().join("target/tools/bin")
}

/// Where `cargo xtask setup` puts Schemathesis: a virtual environment of Python.
pub fn schemathesis_dir() -> PathBuf {
    workspace_root().join("target/tools/schemathesis")
}

/// The directory of the development cluster, the one that `cargo xtask cluster` runs on fixed ports.
pub fn development_cluster_dir() -> PathBuf {
    workspace_root().join("target/cluster")
}

/// Where clusters on free ports are, each in a directory of its own. None of them outlives who started it.
pub(crate) fn temporary_clusters_dir() -> PathBuf {
    workspace_root().join("target/clusters")
}
