//! redis-server: a plain one, or the masters of a Redis Cluster.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

use crate::config::Env;
use crate::process::{CommandLine, Process};
use crate::resp::{self, Reply};
use crate::tools::Tool;

const SLOTS: usize = 16_384;
/// A second's worth.
const LOOKS_PER_MEETING: u32 = 20;

/// One redis-server. It keeps nothing on disk: Starling must live with the loss of all that Redis holds.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    ready_timeout: Duration,
}

impl Redis {
    /// A server that is not part of a cluster of this crate, started in `dir`: for tests that need Redis alone.
    pub async fn start_alone(dir: &Path, port: u16) -> Result<Self> {
        crate::dirs::make_dirs(dir)?;
        let redis = Self::new(
            dir,
            "redis",
            &Tool::RedisServer.require()?,
            port,
            &[],
            Duration::from_secs(20),
        );
        redis.start().await?;
        Ok(redis)
    }

    pub(crate) fn new(
        dir: &Path,
        name: &str,
        program: &Path,
        port: u16,
        more_args: &[String],
        ready_timeout: Duration,
    ) -> Self {
        let port_arg = port.to_string();
        let args = [
            "--port",
            &port_arg,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            ".",
        ];
        let args = args
            .into_iter()
            .map(str::to_owned)
            .chain(more_args.iter().cloned())
            .collect();
        let command = CommandLine {
            program: program.to_path_buf(),
            args,
            env: Env::new(),
        };
        Self {
            process: Process::new(dir, name, command),
            port,
            ready_timeout,
        }
    }

    /// The address, as a setting of a node takes it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it (again), empty, and waits until it answers.
    pub async fn start(&self) -> Result<()> {
        self.process.spawn(&Env::new())?;
        self.process.wait_ready(self.ready_timeout, || self.ping()).await
    }

    /// `Ok` if it answers.
    pub async fn ping(&self) -> Result<()> {
        match self.command(&["PING"]).await {
            // A password is asked for: it is up, and whoever set the password has it.
            Err(error) if error.to_string().contains("NOAUTH") => Ok(()),
            other => other.map(drop),
        }
    }

    /// Loses all that it holds.
    pub async fn flush_all(&self) -> Result<()> {
        self.command(&["FLUSHALL"]).await.map(drop)
    }

    /// Sends any command, on a connection of its own.
    pub async fn command(&self, args: &[&str]) -> Result<Reply> {
        resp::command(self.port, args).await
    }
}

impl Deref for Redis {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

/// Further arguments that make the server on `port` a member of a Redis Cluster.
pub(crate) fn cluster_args(bus_port: u16) -> Vec<String> {
    let args = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "2000",
        "--cluster-port",
        &bus_port.to_string(),
    ];
    args.map(str::to_owned).to_vec()
}

/// Tells the first server of the others; of one that it knows it is told in vain.
async fn introduce(masters: &[Redis], bus_ports: &[u16]) -> Result<()> {
    for (master, bus_port) in masters.iter().zip(bus_ports).skip(1) {
        let meet = [
            "CLUSTER",
            "MEET",
            "127.0.0.1",
            &master.port.to_string(),
            &bus_port.to_string(),
        ];
        masters[0].command(&meet).await?;
    }
    Ok(())
}

/// Makes started, empty servers into one Redis Cluster, the slots in even shares, and waits until all agree.
pub(crate) async fn join_cluster(masters: &[Redis], bus_ports: &[u16], timeout: Duration) -> Result<()> {
    let count = masters.len();
    for (index, master) in masters.iter().enumerate() {
        let first = index * SLOTS / count;
        let last = (index + 1) * SLOTS / count - 1;
        master
            .command(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()])
            .await?;
        // Different epochs from the start: otherwise they would first have to settle who wins.
        master
            .command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()])
            .await?;
    }
    let deadline = Instant::now() + timeout;
    for master in masters {
        for look in 0.. {
            // Again, since one that was held up has been given up after a while.
            if look % LOOKS_PER_MEETING == 0 {
                introduce(masters, bus_ports).await?;
            }
            let Reply::Text(info) = master.command(&["CLUSTER", "INFO"]).await? else {
                bail!("{} gives no cluster information", master.name())
            };
            let whole = info.contains("cluster_state:ok")
                && info.contains(&format!("cluster_known_nodes:{count}\r\n"));
            if whole {
                break;
            }
            if Instant::now() >= deadline {
                bail!(
                    "the Redis Cluster did not form within {timeout:?}; {} says:\n{info}",
                    master.name()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}
