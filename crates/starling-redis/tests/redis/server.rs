//! Redis servers of the tests' own, each in a directory and on ports of its own, killed when dropped.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Weak};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::support::eventually;

/// One `redis-server`.
pub(crate) struct Server {
    pub(crate) port: u16,
    directory: TempDir,
    arguments: Vec<String>,
    cli_arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        Self::start_on(free_port(), arguments, &[]).await
    }

    /// `cli_arguments` are what `redis-cli` needs to reach it.
    pub(crate) async fn start_on(port: u16, arguments: &[&str], cli_arguments: &[&str]) -> Self {
        let owned = |arguments: &[&str]| arguments.iter().map(|a| (*a).to_owned()).collect();
        let mut server = Self {
            port,
            directory: tempfile::tempdir().unwrap(),
            arguments: owned(arguments),
            cli_arguments: owned(cli_arguments),
            child: None,
        };
        server.run().await;
        server
    }

    /// Starts the process, also again after [`Server::kill`].
    pub(crate) async fn run(&mut self) {
        let child = Command::new(tool("redis-server"))
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args([
                "--dir",
                self.directory.path().to_str().unwrap(),
                "--logfile",
                "log",
            ])
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server starts");
        self.child = Some(child);
        eventually("the server answers", async || {
            if let Some(ended) = self
                .child
                .as_mut()
                .and_then(|child| child.try_wait().ok())
                .flatten()
            {
                let log = std::fs::read_to_string(self.directory.path().join("log"));
                panic!("redis-server ended: {ended} {log:?}");
            }
            self.try_cli(&["PING"]).is_some_and(|pong| pong == "PONG")
        })
        .await;
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().expect("it runs").id();
        kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
    }

    /// What `redis-cli` prints, `None` if it fails or Redis answers with an error.
    pub(crate) fn try_cli(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new(tool("redis-cli"))
            .args(["-e", "-p", &self.port.to_string()])
            .args(&self.cli_arguments)
            .args(arguments)
            .output()
            .expect("redis-cli starts");
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        self.try_cli(arguments)
            .unwrap_or_else(|| panic!("redis-cli {arguments:?} failed"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A standalone server or a cluster.
pub(crate) struct Deployment {
    pub(crate) servers: Vec<Server>,
}

impl Deployment {
    pub(crate) async fn standalone() -> Self {
        Self {
            servers: vec![Server::start(&[]).await],
        }
    }

    /// Three masters; the first one may have a replica.
    pub(crate) async fn cluster(with_replica: bool) -> Self {
        Self::cluster_with(with_replica, "1500").await
    }

    /// A server that is silent for so many milliseconds is taken for one that fails.
    async fn cluster_with(with_replica: bool, node_timeout: &str) -> Self {
        let mut servers = Vec::new();
        for _ in 0..if with_replica { 4 } else { 3 } {
            let bus_port = free_port().to_string();
            servers.push(
                Server::start(&[
                    "--cluster-enabled",
                    "yes",
                    "--cluster-port",
                    &bus_port,
                    "--cluster-node-timeout",
                    node_timeout,
                    "--repl-diskless-sync-delay",
                    "0",
                ])
                .await,
            );
        }
        let address = |server: &Server| format!("127.0.0.1:{}", server.port);
        let mut create = vec!["--cluster".to_owned(), "create".to_owned()];
        create.extend(servers[..3].iter().map(address));
        create.push("--cluster-yes".to_owned());
        servers[0].cli(&create.iter().map(String::as_str).collect::<Vec<_>>());
        let all_well = |servers: &[Server], nodes: usize| {
            servers.iter().all(|server| {
                let info = server.cli(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{nodes}"))
            })
        };
        eventually("the cluster is up", async || all_well(&servers[..3], 3)).await;
        if with_replica {
            let (new, first) = (address(&servers[3]), address(&servers[0]));
            let master = servers[0].cli(&["CLUSTER", "MYID"]);
            servers[0].cli(&[
                "--cluster",
                "add-node",
                &new,
                &first,
                "--cluster-slave",
                "--cluster-master-id",
                &master,
            ]);
            eventually("the replica has joined", async || {
                all_well(&servers, 4)
                    && servers[3]
                        .cli(&["INFO", "replication"])
                        .contains("master_link_status:up")
            })
            .await;
        }
        Self { servers }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.servers.len() > 1
    }

    pub(crate) fn url(&self) -> String {
        if self.is_cluster() {
            // One is enough to find the others.
            format!("redis-cluster://127.0.0.1:{}", self.servers[1].port)
        } else {
            format!("redis://127.0.0.1:{}", self.servers[0].port)
        }
    }

    /// Runs a command where its key lives.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let redirect: &[&str] = if self.is_cluster() { &["-c"] } else { &[] };
        self.servers[0].cli(&[redirect, arguments].concat())
    }

    /// Runs a command on every server.
    pub(crate) fn cli_everywhere(&self, arguments: &[&str]) {
        for server in &self.servers {
            server.cli(arguments);
        }
    }

    /// One for all tests that leave it as it is, as long as one of them runs.
    pub(crate) async fn shared_standalone() -> Arc<Self> {
        static SHARED: Mutex<Weak<Deployment>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::standalone().await);
        *shared = Arc::downgrade(&started);
        started
    }

    /// The same, as a cluster.
    pub(crate) async fn shared_cluster() -> Arc<Self> {
        static SHARED: Mutex<Weak<Deployment>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return running;
        }
        // None fails here but by a machine that stalls.
        let started = Arc::new(Self::cluster_with(false, "15000").await);
        *shared = Arc::downgrade(&started);
        started
    }
}

/// A port on which nobody listens, and that the system gives to no outgoing connection: those are from 32768 up,
/// and a server that is started again needs its port again.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const PORTS: std::ops::Range<u16> = 11_000..32_000;
    loop {
        let _ = NEXT.compare_exchange(0, rand::random_range(PORTS), Ordering::Relaxed, Ordering::Relaxed);
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if !PORTS.contains(&port) {
            NEXT.store(0, Ordering::Relaxed);
        } else if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// From the PATH, or where `cargo xtask setup` puts it.
fn tool(name: &str) -> PathBuf {
    let tools = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([tools])
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed: run `cargo xtask setup`"))
}
