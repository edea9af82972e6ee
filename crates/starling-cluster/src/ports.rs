//! Which ports a cluster listens on.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// The first port that is handed out: above the fixed ports of the development cluster.
const LOWEST_FREE_PORT: u16 = 10_000;

/// The ports of one cluster, all on 127.0.0.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortPlan {
    /// HAProxy, for clients.
    pub front: u16,
    /// HAProxy's statistics page.
    pub stats: u16,
    /// One for each node.
    pub nodes: Vec<u16>,
    /// One for each master: a single one, unless Redis runs as a Redis Cluster.
    pub redis: Vec<u16>,
    /// One for each master of a Redis Cluster, on which the masters talk to one another.
    pub redis_bus: Vec<u16>,
    /// One for each member of the replica set.
    pub mongo: Vec<u16>,
    /// The ports by which those members know one another and drivers find them, where something stands before
    /// them; empty where nothing does. Nobody of the cluster listens on these.
    #[serde(default)]
    pub mongo_known: Vec<u16>,
}

impl PortPlan {
    /// The fixed ports of the development cluster.
    pub fn development(nodes: usize, redis_masters: usize, mongo_members: usize) -> Self {
        Self {
            front: 8080,
            stats: 8404,
            nodes: (8101..).take(nodes).collect(),
            redis: (8379..).take(redis_masters).collect(),
            redis_bus: (18_379..).take(bus_ports(redis_masters)).collect(),
            mongo: (8217..).take(mongo_members).collect(),
            mongo_known: Vec::new(),
        }
    }

    /// Ports that nobody uses, with what keeps other clusters of this crate off them.
    pub fn free(
        nodes: usize,
        redis_masters: usize,
        mongo_members: usize,
    ) -> Result<(Self, Vec<ReservedPort>)> {
        let mut reserved = Vec::new();
        let mut take = || -> Result<u16> {
            let port = ReservedPort::any()?;
            let number = port.number();
            reserved.push(port);
            Ok(number)
        };
        let plan = Self {
            front: take()?,
            stats: take()?,
            nodes: (0..nodes).map(|_| take()).collect::<Result<_>>()?,
            redis: (0..redis_masters).map(|_| take()).collect::<Result<_>>()?,
            redis_bus: (0..bus_ports(redis_masters))
                .map(|_| take())
                .collect::<Result<_>>()?,
            mongo: (0..mongo_members).map(|_| take()).collect::<Result<_>>()?,
            mongo_known: Vec::new(),
        };
        Ok((plan, reserved))
    }

    /// Says which port somebody else already listens on, before a program fails over it less clearly.
    pub(crate) async fn check_unused(&self) -> Result<()> {
        for port in self.all() {
            if !unused_soon(port).await {
                bail!("port {port} is in use by a program that is not part of this cluster");
            }
        }
        Ok(())
    }

    /// Says where a plan that was made elsewhere does not fit the cluster.
    pub(crate) fn check_counts(
        &self,
        nodes: usize,
        redis_masters: usize,
        mongo_members: usize,
    ) -> Result<()> {
        let fits = self.nodes.len() == nodes
            && self.redis.len() == redis_masters
            && self.redis_bus.len() == bus_ports(redis_masters)
            && self.mongo.len() == mongo_members
            && [0, mongo_members].contains(&self.mongo_known.len());
        if !fits {
            bail!("the ports that are given are not those of such a cluster: {self:?}");
        }
        Ok(())
    }

    fn all(&self) -> impl Iterator<Item = u16> {
        let lists = [&self.nodes, &self.redis, &self.redis_bus, &self.mongo];
        [self.front, self.stats]
            .into_iter()
            .chain(lists.into_iter().flatten().copied())
    }
}

fn bus_ports(redis_masters: usize) -> usize {
    if redis_masters > 1 { redis_masters } else { 0 }
}

/// A port that nobody listened on when it was chosen, and that no other holder of a `ReservedPort` on this machine
/// gets while this one lives.
///
/// It lies below the range from which the kernel takes the ports of outgoing connections. Otherwise, while a
/// killed node is down, a client's connection could be given the node's port, and the node could not come back.
#[derive(Debug)]
pub struct ReservedPort {
    number: u16,
    /// Locked while this lives.
    _file: File,
}

impl ReservedPort {
    /// Any free port.
    pub fn any() -> Result<Self> {
        let owner = fs::metadata("/proc/self")
            .context("this needs Linux with /proc")?
            .uid();
        let dir = env::temp_dir().join(format!("starling-ports-{owner}"));
        fs::create_dir_all(&dir)?;
        let highest = lowest_outgoing_port().max(LOWEST_FREE_PORT + 1000);
        for _ in 0..1000 {
            let number = rand::random_range(LOWEST_FREE_PORT..highest);
            let file = File::create(dir.join(number.to_string()))?;
            if file.try_lock().is_ok() && unused(number) {
                return Ok(Self { number, _file: file });
            }
        }
        bail!("found no free port from {LOWEST_FREE_PORT} to {highest}")
    }

    /// The port.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// A process that this one has just forked holds a copy of every socket until it has become another program, also of
/// the one that [`unused`] tried the port with.
async fn unused_soon(port: u16) -> bool {
    for _ in 0..500 {
        if unused(port) {
            return true;
        }
        sleep(Duration::from_millis(10)).await;
    }
    false
}

fn unused(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn lowest_outgoing_port() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range
        .split_ascii_whitespace()
        .next()
        .and_then(|low| low.parse().ok())
        .unwrap_or(32_768)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_holders_never_get_the_same_port() {
        let (first, _keep) = PortPlan::free(3, 3, 3).unwrap();
        let (second, _keep_too) = PortPlan::free(3, 3, 3).unwrap();
        let mut ports: Vec<u16> = first.all().chain(second.all()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 2 * (2 + 4 * 3));
        assert!(
            ports
                .iter()
                .all(|&port| port >= LOWEST_FREE_PORT && port < lowest_outgoing_port())
        );
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (plan, _keep) = PortPlan::free(1, 1, 1).unwrap();
        let port = listener.local_addr().unwrap().port();
        plan.check_unused().await.unwrap();
        let taken = PortPlan { stats: port, ..plan };
        assert!(
            taken
                .check_unused()
                .await
                .unwrap_err()
                .to_string()
                .contains(&port.to_string())
        );
    }
}
