//! The JavaScript client: its packages, and its tests, by themselves and against a cluster.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use starling_cluster::{Cluster, ClusterConfig, Data, workspace_root};
use tokio::process::Command;

/// Runs all of its tests; `node` is the binary of the cluster's nodes.
pub(crate) async fn test(node: &Path) -> Result<()> {
    npm(&["ci"], None).await?;
    npm(&["test"], None).await?;
    let cluster = Cluster::start(ClusterConfig::temporary("javascript", node)).await?;
    let tested = npm(&["run", "test:cluster"], Some(cluster.dir())).await;
    let stopped = cluster.stop(Data::Wipe).await;
    tested.and(stopped)
}

/// Runs npm in the client's folder, with a cluster for the tests if there is one.
async fn npm(args: &[&str], cluster: Option<&Path>) -> Result<()> {
    let mut command = Command::new("npm");
    command
        .args(args)
        .current_dir(workspace_root().join("clients/javascript"))
        .stdin(Stdio::null());
    if let Some(dir) = cluster {
        command.env("STARLING_CLUSTER", dir.join("cluster.json"));
    }
    let status = command.status().await.context("cannot run npm")?;
    if !status.success() {
        bail!("`npm {}` failed ({status})", args.join(" "));
    }
    Ok(())
}
