//! What is written in TypeScript: the client library and the page. Their packages, and their tests: by themselves, against
//! a cluster, and against a node that needs no services.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use starling_cluster::{Cluster, ClusterConfig, Data, workspace_root};
use tokio::process::Command;

const CLIENT: &str = "clients/javascript";
const PAGE: &str = "clients/web";

/// Runs all of the tests, and sees that the page that nodes serve is what its sources make; `node` is the binary of the
/// nodes.
pub(crate) async fn test(node: &Path) -> Result<()> {
    for folder in [CLIENT, PAGE] {
        npm(folder, &["ci"], &[]).await?;
    }
    npm(PAGE, &["run", "verify"], &[]).await?;
    npm(CLIENT, &["test"], &[]).await?;
    npm(PAGE, &["run", "test:standalone"], &[("STARLING_BINARY", node)]).await?;
    // People who sign in on the page are shown their codes there.
    let config = ClusterConfig::temporary("javascript", node)
        .with_env("STARLING_DEVELOPMENT", true)
        .with_env("STARLING_CODE_IN_ANSWER", true);
    let cluster = Cluster::start(config).await?;
    let tested = test_on(cluster.dir()).await;
    let stopped = cluster.stop(Data::Wipe).await;
    tested.and(stopped)
}

/// Each of the two takes a node away at its end, and there are three.
async fn test_on(cluster: &Path) -> Result<()> {
    let described = cluster.join("cluster.json");
    for folder in [CLIENT, PAGE] {
        npm(
            folder,
            &["run", "test:cluster"],
            &[("STARLING_CLUSTER", &described)],
        )
        .await?;
    }
    Ok(())
}

/// Runs npm in a folder; `env` tells the tests what there is.
async fn npm(folder: &str, args: &[&str], env: &[(&str, &Path)]) -> Result<()> {
    let status = Command::new("npm")
        .args(args)
        .envs(env.iter().copied())
        .current_dir(workspace_root().join(folder))
        .stdin(Stdio::null())
        .status()
        .await
        .context("cannot run npm")?;
    if !status.success() {
        bail!("`npm {}` failed in {folder} ({status})", args.join(" "));
    }
    Ok(())
}
