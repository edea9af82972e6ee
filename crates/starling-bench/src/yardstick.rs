//! What Starling is measured against: a chat server of Node.js on Socket.IO's own libraries, in `tests/bench/`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use starling_cluster::{Cluster, ReservedPort, workspace_root};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

const READY: Duration = Duration::from_secs(20);
/// Its database on the MongoDB that it shares with Starling.
pub(crate) const DATABASE: &str = "yardstick";

/// Its processes; they end with it.
pub(crate) struct Yardstick {
    nodes: Vec<String>,
    _processes: Vec<Child>,
}

impl Yardstick {
    /// Installs its packages where they are not there yet, and starts as many processes as the cluster has nodes,
    /// on the same Redis and the same MongoDB.
    pub(crate) async fn start(cluster: &Cluster, node: &Path) -> Result<Self> {
        let program = install().await?;
        let mut nodes = Vec::new();
        let mut processes = Vec::new();
        for number in 1..=cluster.nodes().len() {
            let reserved = ReservedPort::any()?;
            let port = reserved.number();
            let log = std::fs::File::create(cluster.dir().join(format!("logs/yardstick{number}.log")))?;
            let process = Command::new(node)
                .arg(&program)
                .env("PORT", port.to_string())
                .env("SERVER_ID", format!("server-{number}"))
                .env("REDIS_URL", cluster.redis_url())
                .env("MONGODB_URI", with_database(&cluster.mongo().url()))
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .kill_on_drop(true)
                .spawn()
                .context("cannot run node")?;
            processes.push(process);
            wait_for(port)
                .await
                .with_context(|| format!("yardstick {number}"))?;
            nodes.push(format!("ws://127.0.0.1:{port}"));
        }
        Ok(Self {
            nodes,
            _processes: processes,
        })
    }

    /// The addresses of its processes.
    pub(crate) fn nodes(&self) -> &[String] {
        &self.nodes
    }
}

/// Puts its packages beside a copy of it under `target/`, so that nothing is installed into the sources.
async fn install() -> Result<PathBuf> {
    let source = workspace_root().join("tests/bench");
    let dir = workspace_root().join("target/yardstick");
    std::fs::create_dir_all(&dir)?;
    let mut changed = !dir.join("node_modules/socket.io").is_dir();
    for file in ["package.json", "server.js"] {
        let (from, to) = (source.join(file), dir.join(file));
        let text = std::fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
        changed |= std::fs::read(&to).ok().as_ref() != Some(&text);
        std::fs::write(&to, text)?;
    }
    if changed {
        println!("installing the yardstick's packages");
        let status = Command::new("npm")
            .args([
                "install",
                "--no-package-lock",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ])
            .current_dir(&dir)
            .stdin(Stdio::null())
            .status()
            .await
            .context("cannot run npm: install Node.js 18 or later, or measure with --without-yardstick")?;
        if !status.success() {
            bail!("npm install failed ({status})");
        }
    }
    Ok(dir.join("server.js"))
}

fn with_database(url: &str) -> String {
    let (start, options) = url.split_once('?').unwrap_or((url, ""));
    let hosts = start
        .trim_start_matches("mongodb://")
        .split('/')
        .next()
        .unwrap_or_default();
    format!("mongodb://{hosts}/{DATABASE}?{options}")
}

async fn wait_for(port: u16) -> Result<()> {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if start.elapsed() > READY {
            bail!("does not listen after {READY:?}; see its log");
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_names_its_own_database() {
        assert_eq!(
            with_database("mongodb://127.0.0.1:1,127.0.0.1:2/starling?replicaSet=rs0"),
            "mongodb://127.0.0.1:1,127.0.0.1:2/yardstick?replicaSet=rs0"
        );
        assert_eq!(
            with_database("mongodb://127.0.0.1:1/?replicaSet=rs0"),
            "mongodb://127.0.0.1:1/yardstick?replicaSet=rs0"
        );
    }
}
