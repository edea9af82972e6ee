//! Real `mongod` processes.
//!
//! Each one runs under a shell that holds a pipe from this process: when the pipe closes, by whichever end of this
//! process, the shell kills its `mongod` and removes the data. Statics are never dropped; pipes always close.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use starling_cluster::ReservedPort;
use starling_mongo::{Mongo, MongoSettings, ReplicaSet, init_replica_set};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::sleep;

/// One `mongod`.
pub(crate) struct Mongod {
    pub(crate) address: String,
    data: PathBuf,
    _port: ReservedPort,
    /// Its standard input is the pipe.
    _watchdog: Child,
}

const WATCHDOG: &str = r#"
data=$1
shift
"$@" --dbpath "$data" --logpath "$data/mongod.log" >/dev/null 2>&1 &
echo $! > "$data/pid"
cat > /dev/null
kill -9 $! 2>/dev/null
wait $!
rm -rf "$data"
"#;

impl Mongod {
    /// Starts one; it may take a second before it answers.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let data = TempDir::with_prefix("starling-mongo-").unwrap().keep();
        let port = ReservedPort::any().unwrap();
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(&data)
            .arg(mongod())
            .args([
                "--port",
                &port.number().to_string(),
                "--bind_ip",
                "127.0.0.1",
                "--nounixsocket",
            ])
            .args([
                "--wiredTigerCacheSizeGB",
                "0.25",
                "--setParameter",
                "diagnosticDataCollectionEnabled=false",
            ])
            .args(arguments)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            address: format!("127.0.0.1:{}", port.number()),
            data,
            _port: port,
            _watchdog: watchdog,
        }
    }

    /// A URI that names only this one.
    pub(crate) fn uri(&self) -> String {
        format!("mongodb://{}/", self.address)
    }

    /// Halts it, like a machine that hangs, until the guard is dropped.
    pub(crate) async fn halt(&self) -> Halted {
        let halted = Halted(self.pid());
        kill(halted.0, Signal::SIGSTOP).unwrap();
        // The signal stops one thread after the other, and on a busy machine some go on for a while.
        while threads(halted.0).any(|stat| !stat.contains(") T ")) {
            sleep(Duration::from_millis(1)).await;
        }
        halted
    }

    /// Kills it, like a machine that loses power.
    pub(crate) fn kill(&self) {
        kill(self.pid(), Signal::SIGKILL).unwrap();
    }

    fn pid(&self) -> Pid {
        let pid = std::fs::read_to_string(self.data.join("pid")).unwrap();
        Pid::from_raw(pid.trim().parse().unwrap())
    }
}

/// What the kernel says of each thread of a process.
fn threads(process: Pid) -> impl Iterator<Item = String> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).ok())
}

/// A halted `mongod`, which goes on when this is dropped.
pub(crate) struct Halted(Pid);

impl Drop for Halted {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

/// A replica set of its own.
pub(crate) struct Set {
    pub(crate) members: Vec<Mongod>,
    name: String,
}

impl Set {
    /// Of one member.
    pub(crate) async fn of_one(arguments: &[&str]) -> Self {
        Self::start(1, Duration::from_secs(2), arguments).await
    }

    /// Starts and initiates one, with more arguments for each member. A primary that no majority hears for so long is one
    /// no more.
    pub(crate) async fn start(size: usize, election_timeout: Duration, arguments: &[&str]) -> Self {
        let name = format!("set{size}");
        let arguments = [&["--replSet", &name], arguments].concat();
        let members: Vec<Mongod> = (0..size).map(|_| Mongod::start(&arguments)).collect();
        let config = ReplicaSet {
            election_timeout: Some(election_timeout),
            ..ReplicaSet::new(&name, members.iter().map(|member| member.address.clone()))
        };
        init_replica_set(&members[0].uri(), &config).await.unwrap();
        Self { members, name }
    }

    pub(crate) fn uri(&self, database: &str) -> String {
        let hosts: Vec<&str> = self
            .members
            .iter()
            .map(|member| member.address.as_str())
            .collect();
        format!(
            "mongodb://{}/{database}?replicaSet={}",
            hosts.join(","),
            self.name
        )
    }
}

/// A set of one, shared by all tests that do not disturb it.
pub(crate) async fn shared() -> &'static Set {
    static SHARED: OnceCell<Set> = OnceCell::const_new();
    SHARED.get_or_init(|| Set::of_one(&[])).await
}

/// An empty database on the shared set.
pub(crate) async fn empty_database() -> Mongo {
    Mongo::connect(empty_settings(shared().await)).await.unwrap()
}

/// Settings for an empty database on this set, with which no case takes a busy machine for a MongoDB that is away.
pub(crate) fn empty_settings(set: &Set) -> MongoSettings {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let uri = set.uri(&format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    MongoSettings {
        read_timeout: Duration::from_secs(30),
        write_timeout: Duration::from_secs(60),
        majority_timeout: Duration::from_secs(50),
        ping_timeout: Duration::from_secs(15),
        startup_timeout: Duration::from_secs(90),
        ..MongoSettings::new(uri)
    }
}

/// In `PATH`, else where `cargo xtask setup` puts it.
fn mongod() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin");
    env::split_paths(&path)
        .chain([tools])
        .map(|directory| directory.join("mongod"))
        .find(|program| program.is_file())
        .expect("mongod is in PATH or target/tools/bin; `cargo xtask setup` puts it there")
}
