//! RabbitMQ, for the tests of events: a broker of its own, with Erlang's port mapper beside it.
//!
//! A broker asks the port mapper (epmd) who else there is, and starts one that outlives it where there is none. So each
//! has its own, on a port of its own, as a process that is ended with it.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Env;
use crate::dirs::make_dirs;
use crate::ports::ReservedPort;
use crate::process::{CommandLine, Process};

/// Where Debian keeps the script that runs the broker as whoever calls it; the one in `PATH` changes the user.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const PORT_MAPPERS: [&str; 2] = ["/usr/bin/epmd", "/usr/local/bin/epmd"];
const READY: Duration = Duration::from_secs(120);
/// What a client says first.
const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";

/// A broker on 127.0.0.1 without plugins. What is durable outlives its death.
#[derive(Debug)]
pub struct RabbitMq {
    process: Process,
    port_mapper: Process,
    port: u16,
    _reserved: Vec<ReservedPort>,
}

impl RabbitMq {
    /// Whether it can be started here; an error says what is missing.
    pub fn find() -> Result<()> {
        program().and_then(|_| port_mapper()).map(drop)
    }

    /// Starts one with its files in `dir`, and waits until it is ready.
    pub async fn start_alone(dir: &Path) -> Result<Self> {
        make_dirs(dir)?;
        let reserved: Vec<_> = (0..3).map(|_| ReservedPort::any()).collect::<Result<_>>()?;
        let [port, distribution, mapper] = [0, 1, 2].map(|index| reserved[index].number());
        let epmd = CommandLine {
            program: port_mapper()?,
            args: ["-port", &mapper.to_string(), "-address", "127.0.0.1"]
                .map(str::to_owned)
                .to_vec(),
            env: Env::new(),
        };
        let data = dir.join("data").join("rabbitmq");
        let path = |name: &str| data.join(name).display().to_string();
        let env = [
            // Otherwise a shell stands before the broker, and gets its signals.
            ("RUNNING_UNDER_SYSTEMD", "1".to_owned()),
            ("HOME", path("")),
            ("ERL_EPMD_PORT", mapper.to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            ("RABBITMQ_NODENAME", format!("starling-{port}@localhost")),
            ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
            ("RABBITMQ_NODE_PORT", port.to_string()),
            ("RABBITMQ_DIST_PORT", distribution.to_string()),
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
            ),
            ("RABBITMQ_MNESIA_BASE", path("mnesia")),
            ("RABBITMQ_LOG_BASE", path("log")),
            ("RABBITMQ_LOGS", "-".to_owned()),
            ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
            ("RABBITMQ_CONFIG_FILE", path("rabbitmq")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins")),
            ("RABBITMQ_GENERATED_CONFIG_DIR", path("config")),
        ];
        let broker = CommandLine {
            program: program()?,
            args: Vec::new(),
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
        };
        let rabbitmq = Self {
            process: Process::new(dir, "rabbitmq", broker),
            port_mapper: Process::new(dir, "epmd", epmd),
            port,
            _reserved: reserved,
        };
        rabbitmq.port_mapper.spawn(&Env::new())?;
        rabbitmq.start().await?;
        Ok(rabbitmq)
    }

    /// The address, as a setting of a node takes it.
    pub fn url(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.port)
    }

    /// Starts it again, with what was durable, and waits until it is ready.
    pub async fn start(&self) -> Result<()> {
        self.process.spawn(&Env::new())?;
        self.process.wait_ready(READY, || self.greets()).await
    }

    /// It speaks once it takes clients, which is some time after it listens.
    async fn greets(&self) -> Result<()> {
        let greeting = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            stream.write_all(HEADER).await?;
            stream.read_u8().await
        };
        match timeout(Duration::from_secs(2), greeting).await {
            // A frame of the kind that is a method.
            Ok(Ok(1)) => Ok(()),
            Ok(Ok(other)) => bail!("it begins with {other}"),
            Ok(Err(error)) => bail!("it cannot be reached: {error}"),
            Err(_) => bail!("it says nothing"),
        }
    }
}

impl Deref for RabbitMq {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

fn program() -> Result<PathBuf> {
    let program = PathBuf::from(PROGRAM);
    let found = program.is_file().then_some(program);
    found.with_context(|| format!("RabbitMQ was not found: {PROGRAM} is missing"))
}

fn port_mapper() -> Result<PathBuf> {
    let found = PORT_MAPPERS
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.is_file());
    found.context("Erlang's epmd was not found")
}
