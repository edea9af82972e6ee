//! A Starling node.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::config::Env;
use crate::probe::http_ok;
use crate::process::{CommandLine, Process};

/// One node of a cluster, running or not.
#[derive(Debug)]
pub struct Node {
    process: Process,
    port: u16,
    ready_timeout: Duration,
}

impl Node {
    pub(crate) fn new(
        dir: &Path,
        id: &str,
        port: u16,
        binary: &Path,
        env: Env,
        ready_timeout: Duration,
    ) -> Self {
        let command = CommandLine {
            program: binary.to_path_buf(),
            args: vec!["serve".to_owned()],
            env,
        };
        Self {
            process: Process::new(dir, id, command),
            port,
            ready_timeout,
        }
    }

    /// Its id: `node1` and so on.
    pub fn id(&self) -> &str {
        self.process.name()
    }

    /// Where it answers by itself, without HAProxy.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The address of its WebSocket.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}/ws", self.port)
    }

    /// Starts it (again) and waits until it is ready.
    pub async fn start(&self) -> Result<()> {
        self.start_with_env(&Env::new()).await
    }

    /// The same, with more environment for this run only.
    pub async fn start_with_env(&self, env: &Env) -> Result<()> {
        self.process.spawn(env)?;
        self.wait_ready().await
    }

    /// Starts it and does not wait: for a node that shall not become ready.
    pub fn spawn_with_env(&self, env: &Env) -> Result<()> {
        self.process.spawn(env)
    }

    /// Waits until it is ready; an exit, or the time-out of the cluster's settings, is an error with the end of
    /// its log.
    pub async fn wait_ready(&self) -> Result<()> {
        self.process.wait_ready(self.ready_timeout, || self.ready()).await
    }

    /// `Ok` if it is ready at this moment.
    pub async fn ready(&self) -> Result<()> {
        http_ok(&format!("{}/readyz", self.url())).await
    }
}

impl Deref for Node {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
