//! mongod as a replica set, initiated through the driver, so that no shell is needed.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use futures::future::try_join_all;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::ErrorKind;
use mongodb::options::ClientOptions;
use tokio::time::Instant;

use crate::config::{Env, SMALL_CACHE_GB};
use crate::process::{CommandLine, Process};
use crate::tools::Tool;

const REPLICA_SET: &str = "rs0";
const DATABASE: &str = "starling";
const ALREADY_INITIALIZED: i32 = 23;

/// A replica set. Durability is MongoDB's own: a majority write is on disk before it is acknowledged.
#[derive(Debug)]
pub struct Mongo {
    members: Vec<MongoMember>,
    election_timeout: Duration,
    ready_timeout: Duration,
}

/// One mongod of the replica set.
#[derive(Debug)]
pub struct MongoMember {
    process: Process,
    port: u16,
    known_port: u16,
    ready_timeout: Duration,
}

impl Mongo {
    /// A replica set that is not part of a cluster of this crate, one member for each port, started in `dir`: for
    /// tests that need MongoDB alone.
    pub async fn start_alone(dir: &Path, ports: &[u16]) -> Result<Self> {
        crate::dirs::make_dirs(dir)?;
        let mongo = Self::new(
            dir,
            &Tool::Mongod.require()?,
            ports,
            &[],
            SMALL_CACHE_GB,
            Duration::from_secs(3),
            Duration::from_secs(30),
        );
        mongo.start().await?;
        Ok(mongo)
    }

    pub(crate) fn new(
        dir: &Path,
        program: &Path,
        ports: &[u16],
        known_ports: &[u16],
        cache_gb: Option<f32>,
        election_timeout: Duration,
        ready_timeout: Duration,
    ) -> Self {
        let members = ports.iter().enumerate().map(|(index, &port)| {
            let cache = cache_gb.map_or_else(String::new, |gb| format!("--wiredTigerCacheSizeGB {gb}"));
            let args = format!(
                "--replSet {REPLICA_SET} --bind_ip 127.0.0.1 --port {port} --dbpath . --nounixsocket {cache} \
                 --setParameter diagnosticDataCollectionEnabled=false \
                 --setParameter shutdownTimeoutMillisForSignaledShutdown=500"
            );
            let args = args.split_ascii_whitespace().map(str::to_owned).collect();
            let command = CommandLine {
                program: program.to_path_buf(),
                args,
                env: Env::new(),
            };
            let process = Process::new(dir, &format!("mongo{}", index + 1), command);
            MongoMember {
                process,
                port,
                known_port: known_ports.get(index).copied().unwrap_or(port),
                ready_timeout,
            }
        });
        Self {
            members: members.collect(),
            election_timeout,
            ready_timeout,
        }
    }

    /// The address, with the replica set and the database, as a setting of a node takes it.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.members.iter().map(MongoMember::known_host).collect();
        format!(
            "mongodb://{}/{DATABASE}?replicaSet={REPLICA_SET}",
            hosts.join(",")
        )
    }

    /// All members.
    pub fn members(&self) -> &[MongoMember] {
        &self.members
    }

    /// A member, counted from 0.
    pub fn member(&self, index: usize) -> &MongoMember {
        &self.members[index]
    }

    /// Which member is the primary now, if any is; paused and dead members are passed over.
    pub async fn primary(&self) -> Option<usize> {
        for (index, member) in self.members.iter().enumerate() {
            if member.is_primary().await.unwrap_or(false) {
                return Some(index);
            }
        }
        None
    }

    /// Starts all members, makes them a replica set if they are none yet, and waits until one of them is the
    /// primary and the others follow it.
    pub(crate) async fn start(&self) -> Result<()> {
        try_join_all(self.members.iter().map(MongoMember::start)).await?;
        self.initiate().await?;
        self.wait_settled().await
    }

    async fn initiate(&self) -> Result<()> {
        let members = self.members.iter().enumerate().map(|(index, member)| {
            let id = i32::try_from(index)?;
            Ok(Bson::from(doc! { "_id": id, "host": member.known_host() }))
        });
        let config = doc! {
            "_id": REPLICA_SET,
            "members": members.collect::<Result<Vec<_>>>()?,
            "settings": {
                "electionTimeoutMillis": i64::try_from(self.election_timeout.as_millis())?,
                "heartbeatIntervalMillis": 500,
            },
        };
        let first = self
            .members
            .first()
            .context("a replica set has at least one member")?;
        let deadline = Instant::now() + self.ready_timeout;
        loop {
            match first.admin(doc! { "replSetInitiate": config.clone() }).await {
                Ok(_) => return Ok(()),
                Err(error) if code(&error) == Some(ALREADY_INITIALIZED) => {
                    return self.check_same_members().await;
                }
                // A machine that stalls for a second does not answer in time.
                Err(error) if Instant::now() >= deadline => {
                    return Err(error).context("cannot initiate the replica set");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Data that was kept from an earlier run belongs to a set of certain members.
    async fn check_same_members(&self) -> Result<()> {
        let reply = self.members[0].admin(doc! { "replSetGetConfig": 1 }).await?;
        let members = reply.get_document("config")?.get_array("members")?;
        let hosts = members
            .iter()
            .filter_map(|member| member.as_document()?.get_str("host").ok());
        let kept: Vec<&str> = hosts.collect();
        let asked: Vec<String> = self.members.iter().map(MongoMember::known_host).collect();
        if kept != asked {
            bail!(
                "the data that was kept is of the replica set {kept:?}, and {asked:?} is asked for: wipe it first"
            );
        }
        Ok(())
    }

    async fn wait_settled(&self) -> Result<()> {
        let deadline = Instant::now() + self.ready_timeout;
        loop {
            let states = self.states().await;
            let primaries = states.iter().filter(|state| *state == "PRIMARY").count();
            let secondaries = states.iter().filter(|state| *state == "SECONDARY").count();
            if primaries == 1
                && primaries + secondaries == self.members.len()
                && self.primary().await.is_some()
            {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!(
                    "the replica set has no primary after {:?}: its members are {states:?}",
                    self.ready_timeout
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the first member thinks of all of them.
    async fn states(&self) -> Vec<String> {
        let Ok(status) = self.members[0].admin(doc! { "replSetGetStatus": 1 }).await else {
            return Vec::new();
        };
        let members = status.get_array("members").cloned().unwrap_or_default();
        let state = |member: &Bson| Some(member.as_document()?.get_str("stateStr").ok()?.to_owned());
        members.iter().filter_map(state).collect()
    }
}

impl MongoMember {
    /// The address of this member alone, whatever its part in the replica set.
    pub fn direct_url(&self) -> String {
        format!("mongodb://{}/{DATABASE}?directConnection=true", self.host())
    }

    /// Starts it (again) with the data it has, and waits until it answers. It may take longer until it is the
    /// primary or follows one.
    pub async fn start(&self) -> Result<()> {
        self.process.spawn(&Env::new())?;
        self.process.wait_ready(self.ready_timeout, || self.ping()).await
    }

    /// Whether it is the primary, by its own word.
    pub async fn is_primary(&self) -> Result<bool> {
        let hello = self.admin(doc! { "hello": 1 }).await?;
        Ok(hello.get_bool("isWritablePrimary").unwrap_or(false))
    }

    /// The part it plays now, such as `primary` or `secondary`; an error if it has none.
    pub(crate) async fn role(&self) -> Result<&'static str> {
        let hello = self.admin(doc! { "hello": 1 }).await?;
        let is = |field| hello.get_bool(field).unwrap_or(false);
        if is("isWritablePrimary") {
            Ok("primary")
        } else if is("secondary") {
            Ok("secondary")
        } else {
            Err(anyhow!("neither primary nor secondary"))
        }
    }

    async fn ping(&self) -> Result<()> {
        self.admin(doc! { "ping": 1 }).await.map(drop)
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn known_host(&self) -> String {
        format!("127.0.0.1:{}", self.known_port)
    }

    /// Runs a command on this member's own admin database, past all that may stand before it.
    pub async fn admin(&self, command: Document) -> Result<Document> {
        let mut options = ClientOptions::parse(format!("mongodb://{}/", self.host())).await?;
        options.direct_connection = Some(true);
        options.server_selection_timeout = Some(Duration::from_secs(1));
        options.connect_timeout = Some(Duration::from_secs(1));
        let client = Client::with_options(options)?;
        let run = async { Ok(client.database("admin").run_command(command).await?) };
        // A paused member takes the connection and says nothing.
        let reply = tokio::time::timeout(Duration::from_secs(10), Box::pin(run)).await;
        client.shutdown().immediate(true).await;
        reply.map_err(|_| anyhow!("{} does not answer", self.process.name()))?
    }
}

impl Deref for MongoMember {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

fn code(error: &anyhow::Error) -> Option<i32> {
    match &*error.downcast_ref::<mongodb::error::Error>()?.kind {
        ErrorKind::Command(error) => Some(error.code),
        _ => None,
    }
}
