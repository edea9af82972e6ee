//! HAProxy with the repository's own `haproxy.cfg`, which takes its addresses from the environment.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::config::Env;
use crate::paths::workspace_root;
use crate::ports::PortPlan;
use crate::probe::http_ok;
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

    /// Starts it (again) and waits until it has found a node that is ready.
    pub async fn start(&self) -> Result<()> {
        self.process.spawn(&Env::new())?;
        self.process.wait_ready(self.ready_timeout, || self.ready()).await
    }

    /// Reads `haproxy.cfg` again (SIGUSR2 to the master): a new worker takes over, the old one keeps its connections.
    pub fn reload(&self) -> Result<()> {
        self.process.signal(Signal::SIGUSR2)
    }

    pub(crate) async fn ready(&self) -> Result<()> {
        http_ok(&format!("{}/readyz", self.front_url)).await
    }
}

impl Deref for Haproxy {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
