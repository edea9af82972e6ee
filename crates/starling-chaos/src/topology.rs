//! What is put under strain: three nodes, a replica set of three, Redis, HAProxy, and a network that can be made bad.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use starling_cluster::{Cluster, ClusterConfig, Env, PortPlan, Ports, ReservedPort};

use crate::network::{Callers, Link, Proxy};

pub(crate) const NODES: usize = 3;
const MEMBERS: usize = 3;

/// How long the members of the replica set miss their primary before they elect another.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// What nodes are set to beside the defaults.
const NODE_SETTINGS: [(&str, &str); 5] = [
    ("STARLING_SENDS_PER_SECOND", "0"),
    // Clients notice within seconds, not within a minute, that a stopped node does not answer.
    ("STARLING_HEARTBEAT_SECONDS", "5"),
    // A client that stops reading shows sooner.
    ("STARLING_OUTBOX_BYTES", "65536"),
    ("STARLING_DRAIN_DELAY_SECONDS", "1"),
    ("STARLING_LOG", "info"),
];

/// A running cluster, with all links of its nodes.
pub(crate) struct Topology {
    cluster: Cluster,
    redis_links: Vec<Arc<Link>>,
    mongo_links: Vec<Arc<Link>>,
    replication_link: Arc<Link>,
    fail_points: Option<String>,
    _proxies: Vec<Proxy>,
    _ports: Vec<ReservedPort>,
}

impl Deref for Topology {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Topology {
    /// Starts it all and waits until it is ready. `fail_points` are in force on every node from its start: planted
    /// defects.
    pub(crate) async fn start(name: &str, binary: &Path, fail_points: Option<String>) -> Result<Self> {
        let (mut ports, mut reserved) = PortPlan::free(NODES, 1, MEMBERS)?;
        let mut reserve = || -> Result<u16> {
            let port = ReservedPort::any()?;
            let number = port.number();
            reserved.push(port);
            Ok(number)
        };
        let redis_ports = (0..NODES).map(|_| reserve()).collect::<Result<Vec<_>>>()?;
        ports.mongo_known = (0..MEMBERS).map(|_| reserve()).collect::<Result<_>>()?;
        let redis_links: Vec<_> = (0..NODES).map(|_| Arc::new(Link::new())).collect();
        let mongo_links: Vec<_> = (0..NODES).map(|_| Arc::new(Link::new())).collect();

        let redis = *ports.redis.first().context("a plan has a port for Redis")?;
        let mut proxies = try_join_all(
            redis_ports
                .iter()
                .zip(&redis_links)
                .map(|(&port, link)| Proxy::start(port, redis, Callers::Node(Arc::clone(link)))),
        )
        .await?;
        let replication_link = Arc::new(Link::new());
        for (&known, &real) in ports.mongo_known.iter().zip(&ports.mongo) {
            let links = mongo_links.iter().enumerate();
            let links = links.map(|(node, link)| (application(node), Arc::clone(link)));
            let callers = Callers::Named {
                links: links.collect(),
                others: Arc::clone(&replication_link),
            };
            proxies.push(Proxy::start(known, real, callers).await?);
        }

        let known: Vec<_> = ports
            .mongo_known
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        let mut config = ClusterConfig {
            mongo_members: MEMBERS,
            mongo_election_timeout: ELECTION_TIMEOUT,
            ports: Ports::Given(ports),
            ..ClusterConfig::temporary(name, binary)
        };
        for (setting, value) in NODE_SETTINGS {
            config = config.with_env(setting, value);
        }
        for (node, port) in redis_ports.iter().enumerate() {
            let mongo = format!(
                "mongodb://{}/starling?replicaSet=rs0&appName={}",
                known.join(","),
                application(node)
            );
            config = config
                .with_node_env(node, "STARLING_REDIS_URL", format!("redis://127.0.0.1:{port}"))
                .with_node_env(node, "STARLING_MONGODB_URI", mongo);
        }
        if let Some(fail_points) = &fail_points {
            config = config.with_env("FAILPOINTS", fail_points);
        }
        Ok(Self {
            cluster: Cluster::start(config).await?,
            redis_links,
            mongo_links,
            replication_link,
            fail_points,
            _proxies: proxies,
            _ports: reserved,
        })
    }

    /// From a node to Redis.
    pub(crate) fn redis_link(&self, node: usize) -> &Link {
        &self.redis_links[node]
    }

    /// From a node to all members of the replica set.
    pub(crate) fn mongo_link(&self, node: usize) -> &Link {
        &self.mongo_links[node]
    }

    /// Among the members of the replica set.
    pub(crate) fn replication_link(&self) -> &Link {
        &self.replication_link
    }

    /// The environment that arms fail points of one node, beside those that are in force on all.
    pub(crate) fn armed(&self, fail_points: &str) -> Env {
        let all: Vec<&str> = self
            .fail_points
            .as_deref()
            .into_iter()
            .chain([fail_points])
            .collect();
        Env::from([("FAILPOINTS".to_owned(), all.join(";"))])
    }
}

/// By what name a node's driver introduces itself to MongoDB.
fn application(node: usize) -> String {
    format!("chaos-node-{}", node + 1)
}
