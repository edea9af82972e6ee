//! What an idle connection costs a node, and how soon a node is there.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use futures::stream::{self, TryStreamExt};
use starling_cluster::{Cluster, ClusterConfig, Data, Env};
use starling_protocol::Codec;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::memory::rss_anon;
use crate::wire::Native;

/// An idle client needs little.
const BUFFER: usize = 1024;
const CONNECTING: usize = 64;
/// What connecting needed is given back by then.
const SETTLE: Duration = Duration::from_secs(3);

/// What a node of its own costs.
pub(crate) struct Idle {
    /// From the start of the process until it is ready.
    pub(crate) start_up: Duration,
    /// For so many connections: bytes of RssAnon for each.
    pub(crate) per_connection: Vec<(usize, f64)>,
}

/// Starts one node and connects so many users to it, step by step.
pub(crate) async fn measure(binary: &Path, steps: &[usize]) -> Result<Idle> {
    let config = ClusterConfig {
        nodes: 1,
        haproxy: false,
        ..ClusterConfig::temporary("bench-idle", binary)
    };
    let cluster = Cluster::start(config).await?;
    let node = cluster.node(0);
    let mut start_ups = Vec::new();
    for _ in 0..3 {
        node.kill9().await?;
        let begin = Instant::now();
        node.start_with_env(&Env::new()).await?;
        start_ups.push(begin.elapsed());
    }
    start_ups.sort_unstable();

    let wire = Native::new(Codec::MessagePack, cluster.token_secret());
    let pid = node.pid().context("the node is gone")?;
    // What the first connections bring into being once stays out of the figure.
    let mut first = connect(&wire, &node.ws_url(), 0..200).await?;
    first.shutdown().await;
    sleep(SETTLE).await;
    let empty = rss_anon(pid)?;
    let mut connected = 0;
    let mut held = Vec::new();
    let mut per_connection = Vec::new();
    for &step in steps {
        held.push(connect(&wire, &node.ws_url(), connected..step).await?);
        connected = step;
        sleep(SETTLE).await;
        let bytes = rss_anon(pid)?.saturating_sub(empty);
        per_connection.push((step, bytes as f64 / step as f64));
    }
    for mut tasks in held {
        tasks.shutdown().await;
    }
    cluster.stop(Data::Wipe).await?;
    Ok(Idle {
        start_up: start_ups[1],
        per_connection,
    })
}

/// Connects users and keeps their connections alive: tasks that only answer pings.
async fn connect(wire: &Native, url: &str, users: std::ops::Range<usize>) -> Result<JoinSet<()>> {
    let mut sockets = stream::iter(users.map(Ok::<_, anyhow::Error>))
        .map_ok(async |user| wire.connect_idle(url, &format!("idle-{user}"), BUFFER).await)
        .try_buffer_unordered(CONNECTING);
    let mut tasks = JoinSet::new();
    while let Some(mut socket) = sockets.try_next().await? {
        tasks.spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    }
    Ok(tasks)
}
