//! HAProxy with the repository's own `haproxy.cfg`, which takes its addresses from the environment.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::config::Env;
use crate::paths::workspace_root;
use crate::ports::PortPlan;
use crate::probe::{http_ok, http_text};
use crate::process::{CommandLine, Process};

/// How many nodes `haproxy.cfg` names: `NODE1` to `NODE3`.
pub(crate) const NODES: usize = 3;

/// Nobody listens here; the place of a node that this cluster does not have.
const NOBODY: &str = "127.0.0.1:1";

/// HAProxy in master-worker mode: the process is the master, which reloads its worker.
#[derive(Debug)]
pub struct Haproxy {
    process: Process,
    front_url: String,
    stats_url: String,
    /// How many nodes there are: the further servers of `haproxy.cfg` are nobody.
    nodes: usize,
    ready_timeout: Duration,
}

impl Haproxy {
    pub(crate) fn new(dir: &Path, program: &Path, ports: &PortPlan, ready_timeout: Duration) -> Self {
        let mut env = Env::new();
        env.insert("FRONT_BIND".to_owned(), format!("127.0.0.1:{}", ports.front));
        env.insert("STATS_BIND".to_owned(), format!("127.0.0.1:{}", ports.stats));
        for index in 0..NODES {
            let address = ports.nodes.get(index).map(|port| format!("127.0.0.1:{port}"));
            env.insert(
                format!("NODE{}", index + 1),
                address.unwrap_or_else(|| NOBODY.to_owned()),
            );
        }
        let config = workspace_root().join("haproxy.cfg").display().to_string();
        let args = ["-W", "-db", "-f", &config].map(str::to_owned).to_vec();
        let command = CommandLine {
            program: program.to_path_buf(),
            args,
            env,
        };
        Self {
            process: Process::new(dir, "haproxy", command),
            front_url: format!("http://127.0.0.1:{}", ports.front),
            stats_url: format!("http://127.0.0.1:{}", ports.stats),
            nodes: ports.nodes.len(),
            ready_timeout,
        }
    }

    /// Where clients connect.
    pub fn front_url(&self) -> &str {
        &self.front_url
    }

    /// The statistics page.
    pub fn stats_url(&self) -> &str {
        &self.stats_url
    }

    /// Starts it (again) and waits until it has found a node that is ready, and that those are not there which this
    /// cluster does not have.
    pub async fn start(&self) -> Result<()> {
        self.process.spawn(&Env::new())?;
        self.process.wait_ready(self.ready_timeout, || self.ready()).await
    }

    /// Reads `haproxy.cfg` again (SIGUSR2 to the master): a new worker takes over, the old one keeps its connections.
    pub fn reload(&self) -> Result<()> {
        self.process.signal(Signal::SIGUSR2)
    }

    pub(crate) async fn ready(&self) -> Result<()> {
        http_ok(&format!("{}/readyz", self.front_url)).await?;
        // It takes every server for alive until it has asked often enough, and would send some connections nowhere.
        let table = http_text(&format!("{}/stats;csv", self.stats_url)).await?;
        for server in self.nodes + 1..=NODES {
            let server = format!("node{server}");
            let status = status_of(&table, &server).with_context(|| format!("HAProxy has no {server}"))?;
            ensure!(status.starts_with("DOWN"), "HAProxy takes {server} for {status}");
        }
        Ok(())
    }
}

/// The status of a server in HAProxy's table of statistics.
fn status_of<'a>(table: &'a str, server: &str) -> Option<&'a str> {
    let mut rows = table.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let status = rows.next()?.iter().position(|column| *column == "status")?;
    rows.find(|row| row.first() == Some(&"nodes") && row.get(1) == Some(&server))?
        .get(status)
        .copied()
}

impl Deref for Haproxy {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
