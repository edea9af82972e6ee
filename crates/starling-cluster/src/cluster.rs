//! The whole: started in order, taken over from another process, stopped in order.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use futures::future::{join_all, try_join_all};
use nix::sys::signal::Signal;

use crate::config::{ClusterConfig, Ports};
use crate::description::{
    Description, HaproxyDescription, MongoDescription, NodeDescription, RedisDescription,
};
use crate::dirs::{Files, LastDuty, clear_leftovers, make_dirs, wipe};
use crate::files;
use crate::haproxy::Haproxy;
use crate::identity::ProcessIdentity;
use crate::limits::raise_open_files;
use crate::mongo::Mongo;
use crate::node::Node;
use crate::paths::temporary_clusters_dir;
use crate::ports::{PortPlan, ReservedPort};
use crate::process::Process;
use crate::record::{Programs, Record};
use crate::redis::{self, Redis};
use crate::status::ProcessStatus;
use crate::token::{mint_admin_token, mint_token, random_secret};
use crate::wiring::{node_env, redis_url};

/// Beyond the grace time that a node itself takes for its drain.
const NODE_GRACE: Duration = Duration::from_secs(40);

/// For what has no clients any more.
const GRACE: Duration = Duration::from_secs(20);

const TOKEN_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// What becomes of the data of a cluster that is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// It stays for the next start.
    Keep,
    /// The cluster's directory is removed.
    Wipe,
}

/// A cluster of this machine.
///
/// Dropping one that was started here kills all its processes, unless it was [released](Self::release). Dropping
/// one that was [attached](Self::attach) leaves it as it is.
#[derive(Debug)]
pub struct Cluster {
    record: Record,
    // The order of the fields is the order in which they are dropped: the files go when nobody writes them any
    // more, and the ports when nobody listens on them.
    nodes: Vec<Node>,
    haproxy: Option<Haproxy>,
    redis: Vec<Redis>,
    mongo: Mongo,
    files: Files,
    _reserved: Vec<ReservedPort>,
}

impl Cluster {
    /// Starts a cluster and waits until every node and the front are ready. If one does not become ready, the error
    /// holds the end of its log, and nothing is left running. So it is, too, when the future is dropped.
    ///
    /// A process that is itself killed drops nothing. What it leaves running, the next start of a
    /// [temporary](ClusterConfig::temporary) cluster, or `cargo xtask cluster down`, ends.
    pub async fn start(config: ClusterConfig) -> Result<Self> {
        config.check()?;
        if config.dir.starts_with(temporary_clusters_dir()) {
            sweep(&temporary_clusters_dir()).await;
        }
        if let Some(running) = Self::attach(&config.dir)?
            && running.is_running()
        {
            bail!("a cluster runs already in {}", config.dir.display());
        }
        raise_open_files()?;
        let programs = Programs::find(&config)?;
        let (ports, reserved) = match &config.ports {
            Ports::Development => (
                PortPlan::development(config.nodes, config.redis_masters, config.mongo_members),
                Vec::new(),
            ),
            Ports::Free => PortPlan::free(config.nodes, config.redis_masters, config.mongo_members)?,
            Ports::Given(plan) => (plan.clone(), Vec::new()),
        };
        ports.check_unused().await?;
        let files = Files::of_a_start(&config);
        clear_leftovers(&config.dir)?;
        make_dirs(&config.dir)?;
        let record = Record {
            config,
            ports,
            programs,
            token_secret: random_secret(),
            owner: ProcessIdentity::of(std::process::id())?,
        };
        record.write()?;
        let mut cluster = Self::assemble(record, files, reserved);
        Box::pin(cluster.bring_up()).await?;
        cluster.describe()?;
        cluster.files.last_duty = if cluster.record.config.temporary {
            LastDuty::WipeAll
        } else {
            LastDuty::LeaveAll
        };
        Ok(cluster)
    }

    /// The cluster that another process started in `dir`, if there is one; it may have stopped since.
    pub fn attach(dir: &Path) -> Result<Option<Self>> {
        let Some(record) = Record::read(dir)? else {
            return Ok(None);
        };
        let files = Files {
            dir: dir.to_path_buf(),
            last_duty: LastDuty::LeaveAll,
        };
        let cluster = Self::assemble(record, files, Vec::new());
        cluster.processes().for_each(Process::release);
        Ok(Some(cluster))
    }

    /// Kills every process that is recorded in `dir`, in no order, and wipes its files: for a cluster whose record
    /// this build cannot read.
    pub async fn kill_recorded(dir: &Path) -> Result<()> {
        for entry in fs::read_dir(dir.join("run")).into_iter().flatten() {
            let identity: Option<ProcessIdentity> = files::read_json(&entry?.path())?;
            let Some(identity) = identity else { continue };
            identity.signal_group(Signal::SIGKILL)?;
            while identity.is_alive() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        wipe(dir)
    }

    /// Lets the cluster outlive this value and this process. Another process may [attach](Self::attach) to it.
    pub fn release(mut self) {
        self.files.last_duty = LastDuty::LeaveAll;
        self.processes().for_each(Process::release);
    }

    /// Stops it in order: the nodes drain while all that they need is still there. What fails to end by itself is
    /// killed, and the error says so.
    pub async fn stop(&self, data: Data) -> Result<()> {
        let mut faults = Vec::new();
        let nodes = self.nodes.iter().map(|node| node.terminate(NODE_GRACE));
        faults.extend(join_all(nodes).await.into_iter().filter_map(Result::err));
        if let Some(haproxy) = &self.haproxy {
            faults.extend(haproxy.terminate(GRACE).await.err());
        }
        let redis = self.redis.iter().map(|redis| redis.terminate(GRACE));
        faults.extend(join_all(redis).await.into_iter().filter_map(Result::err));
        for member in self.mongo.members() {
            let ended = match data {
                Data::Keep => member.terminate(GRACE).await.map(drop),
                // A checkpoint of what is thrown away takes seconds.
                Data::Wipe => member.kill9().await,
            };
            faults.extend(ended.err());
        }
        Description::remove(self.dir())?;
        Record::remove(self.dir())?;
        if data == Data::Wipe {
            wipe(self.dir())?;
        }
        faults.into_iter().next().map_or(Ok(()), Err)
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        &self.record.config.dir
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node, counted from 0: `node(0)` has the id `node1`.
    pub fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// Redis; of a Redis Cluster the first master.
    pub fn redis(&self) -> &Redis {
        &self.redis[0]
    }

    /// All masters of Redis.
    pub fn redis_masters(&self) -> &[Redis] {
        &self.redis
    }

    /// The replica set.
    pub fn mongo(&self) -> &Mongo {
        &self.mongo
    }

    /// HAProxy, if this cluster has one.
    pub fn haproxy(&self) -> Option<&Haproxy> {
        self.haproxy.as_ref()
    }

    /// Every process of the cluster.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        let nodes = self.nodes.iter().map(|node| &**node);
        let haproxy = self.haproxy.iter().map(|haproxy| &**haproxy);
        let redis = self.redis.iter().map(|redis| &**redis);
        let mongo = self.mongo.members().iter().map(|member| &**member);
        redis.chain(mongo).chain(nodes).chain(haproxy)
    }

    /// Where clients connect: HAProxy, or the first node of a cluster without it.
    pub fn front_url(&self) -> String {
        match &self.haproxy {
            Some(haproxy) => haproxy.front_url().to_owned(),
            None => self.nodes.first().map(Node::url).unwrap_or_default(),
        }
    }

    /// The address of the front's WebSocket.
    pub fn front_ws_url(&self) -> String {
        format!("{}/ws", self.front_url().replacen("http", "ws", 1))
    }

    /// The address of Redis, as the nodes have it.
    pub fn redis_url(&self) -> String {
        redis_url(&self.record.ports)
    }

    /// With what tokens are signed (HS256).
    pub fn token_secret(&self) -> &str {
        &self.record.token_secret
    }

    /// A token of this user that every node believes for some hours.
    pub fn token(&self, user: &str) -> Result<String> {
        mint_token(self.token_secret(), user, TOKEN_LIFETIME)
    }

    /// The same, with the scope `admin`.
    pub fn admin_token(&self, user: &str) -> Result<String> {
        mint_admin_token(self.token_secret(), user, TOKEN_LIFETIME)
    }

    /// Whether any of its processes runs.
    pub fn is_running(&self) -> bool {
        self.processes().any(Process::is_alive)
    }

    /// Asks every process how it is.
    pub async fn status(&self) -> Vec<ProcessStatus> {
        let mut all = Vec::new();
        for redis in &self.redis {
            all.push(ProcessStatus::of(redis, redis.ping().await.map(|()| "ready")));
        }
        for member in self.mongo.members() {
            all.push(ProcessStatus::of(member, member.role().await));
        }
        for node in &self.nodes {
            all.push(ProcessStatus::of(node, node.ready().await.map(|()| "ready")));
        }
        if let Some(haproxy) = &self.haproxy {
            all.push(ProcessStatus::of(
                haproxy,
                haproxy.ready().await.map(|()| "ready"),
            ));
        }
        all
    }

    /// Writes `cluster.json` as the cluster is now. [`start`](Self::start) has done so; do it again after a process
    /// was killed or started, for those who read it.
    pub fn describe(&self) -> Result<Description> {
        let node = |node: &Node| NodeDescription {
            id: node.id().to_owned(),
            url: node.url(),
            pid: node.pid(),
        };
        let description = Description {
            front: self.front_url(),
            nodes: self.nodes.iter().map(node).collect(),
            redis: RedisDescription {
                url: self.redis_url(),
                pid: self.redis[0].pid(),
            },
            mongo: MongoDescription {
                url: self.mongo.url(),
                pids: self.mongo.members().iter().map(|member| member.pid()).collect(),
            },
            haproxy: self
                .haproxy
                .as_ref()
                .map(|haproxy| HaproxyDescription { pid: haproxy.pid() }),
            data: self.dir().join("data"),
            token_secret: self.token_secret().to_owned(),
        };
        description.write(self.dir())?;
        Ok(description)
    }

    /// All the parts, none of them started.
    fn assemble(record: Record, files: Files, reserved: Vec<ReservedPort>) -> Self {
        let Record {
            config,
            ports,
            programs,
            ..
        } = &record;
        let redis = ports.redis.iter().enumerate().map(|(index, &port)| {
            let mut args = config.redis_args.clone();
            args.extend(
                ports
                    .redis_bus
                    .get(index)
                    .map(|&bus| redis::cluster_args(bus))
                    .into_iter()
                    .flatten(),
            );
            let name = if index == 0 {
                "redis".to_owned()
            } else {
                format!("redis{}", index + 1)
            };
            Redis::new(
                &config.dir,
                &name,
                &programs.redis_server,
                port,
                &args,
                config.ready_timeout,
            )
        });
        let mongo = Mongo::new(
            &config.dir,
            &programs.mongod,
            &ports.mongo,
            &ports.mongo_known,
            config.mongo_cache_gb,
            config.mongo_election_timeout,
            config.ready_timeout,
        );
        let nodes = ports.nodes.iter().enumerate().map(|(index, &port)| {
            let id = format!("node{}", index + 1);
            let env = node_env(&record, &mongo, index, &id, port);
            Node::new(&config.dir, &id, port, &config.binary, env, config.ready_timeout)
        });
        let haproxy = programs.haproxy.as_ref();
        let haproxy = haproxy.map(|program| Haproxy::new(&config.dir, program, ports, config.ready_timeout));
        let (nodes, redis) = (nodes.collect(), redis.collect());
        Self {
            nodes,
            haproxy,
            redis,
            mongo,
            record,
            files,
            _reserved: reserved,
        }
    }

    async fn bring_up(&self) -> Result<()> {
        tokio::try_join!(self.bring_up_redis(), self.mongo.start())?;
        try_join_all(self.nodes.iter().map(Node::start)).await?;
        match &self.haproxy {
            // Last, so that it finds every node ready and sends clients to all of them from the first.
            Some(haproxy) => haproxy.start().await,
            None => Ok(()),
        }
    }

    async fn bring_up_redis(&self) -> Result<()> {
        try_join_all(self.redis.iter().map(Redis::start)).await?;
        if self.redis.len() > 1 {
            redis::join_cluster(
                &self.redis,
                &self.record.ports.redis_bus,
                self.record.config.ready_timeout,
            )
            .await?;
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // All at once; each is then waited for in turn as the fields are dropped.
        self.processes().for_each(Process::kill_if_ours);
    }
}

/// Ends the temporary clusters whose owners are gone without having dropped them: a test that got Ctrl-C, say.
async fn sweep(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let orphaned = Cluster::attach(&entry.path())
            .ok()
            .flatten()
            .filter(|cluster| !cluster.record.owner.is_alive() && cluster.is_running());
        if orphaned.is_some() {
            // Another test may be doing the same.
            let _ = Cluster::kill_recorded(&entry.path()).await;
        }
    }
}
