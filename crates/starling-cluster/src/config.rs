//! What a cluster shall be like.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::haproxy;
use crate::paths::{development_cluster_dir, temporary_clusters_dir};
use crate::ports::PortPlan;

/// Environment variables.
pub type Env = BTreeMap<String, String>;

/// Where the ports come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ports {
    /// The fixed ones of the development cluster.
    Development,
    /// Any that nobody uses.
    Free,
    /// These, which whoever starts the cluster has reserved: it wants to know them beforehand.
    Given(PortPlan),
}

/// Enough for tests, of which several may run on a machine.
pub(crate) const SMALL_CACHE_GB: Option<f32> = Some(0.5);

/// What a cluster shall be like. Change the fields of one of the two presets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClusterConfig {
    /// Where all its files go. One cluster has it at a time.
    pub dir: PathBuf,
    /// The `starling` binary; see [`build_node`](crate::build_node).
    pub binary: PathBuf,
    /// How many nodes, named `node1` and so on. With HAProxy at most three, which is how many `haproxy.cfg` names.
    pub nodes: usize,
    /// How many masters Redis has: 1 is a plain server, more (3 at least) are a Redis Cluster.
    pub redis_masters: usize,
    /// Further arguments of every redis-server.
    pub redis_args: Vec<String>,
    /// How many members the replica set has.
    pub mongo_members: usize,
    /// How much of its data each member keeps in memory, in GB; `None` leaves it to mongod, which takes half of the machine's.
    pub mongo_cache_gb: Option<f32>,
    /// After how long the members elect another primary.
    pub mongo_election_timeout: Duration,
    /// Whether HAProxy stands in front.
    pub haproxy: bool,
    /// Where the ports come from.
    pub ports: Ports,
    /// Environment of every node, beside and over what tells it its addresses.
    pub env: Env,
    /// Environment of single nodes, counted from 0, over `env`.
    pub node_env: BTreeMap<usize, Env>,
    /// How long each process may take until it is ready.
    pub ready_timeout: Duration,
    /// Whether all files go when the cluster is dropped outside of a panic.
    pub temporary: bool,
}

impl ClusterConfig {
    /// Three nodes, a plain Redis, one MongoDB and HAProxy on the fixed ports of the development cluster.
    pub fn development(binary: impl Into<PathBuf>) -> Self {
        Self {
            dir: development_cluster_dir(),
            binary: binary.into(),
            nodes: 3,
            redis_masters: 1,
            redis_args: Vec::new(),
            mongo_members: 1,
            mongo_cache_gb: SMALL_CACHE_GB,
            mongo_election_timeout: Duration::from_secs(3),
            haproxy: true,
            ports: Ports::Development,
            env: Env::new(),
            node_env: BTreeMap::new(),
            ready_timeout: Duration::from_secs(60),
            temporary: false,
        }
    }

    /// The same on free ports, in a directory of its own under `target/clusters/`, which goes with the cluster
    /// unless the test panics.
    pub fn temporary(name: &str, binary: impl Into<PathBuf>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = temporary_clusters_dir().join(format!("{name}-{}-{count}", std::process::id()));
        Self {
            dir,
            ports: Ports::Free,
            temporary: true,
            ..Self::development(binary)
        }
    }

    /// With one more variable for every node.
    pub fn with_env(mut self, name: &str, value: impl ToString) -> Self {
        self.env.insert(name.to_owned(), value.to_string());
        self
    }

    /// With one more variable for one node, counted from 0.
    pub fn with_node_env(mut self, node: usize, name: &str, value: impl ToString) -> Self {
        self.node_env
            .entry(node)
            .or_default()
            .insert(name.to_owned(), value.to_string());
        self
    }

    /// Says what no cluster can be like.
    pub(crate) fn check(&self) -> Result<()> {
        if self.haproxy && self.nodes > haproxy::NODES {
            bail!(
                "haproxy.cfg names {} nodes, and this cluster would have {}",
                haproxy::NODES,
                self.nodes
            );
        }
        if self.haproxy && self.nodes == 0 {
            bail!("HAProxy is not ready without a node");
        }
        if self.mongo_members == 0 {
            bail!("a replica set has at least one member");
        }
        if let Ports::Given(plan) = &self.ports {
            plan.check_counts(self.nodes, self.redis_masters, self.mongo_members)?;
        }
        if self.redis_masters != 1 && self.redis_masters < 3 {
            bail!("Redis is one server, or a Redis Cluster of at least three masters");
        }
        Ok(())
    }
}
