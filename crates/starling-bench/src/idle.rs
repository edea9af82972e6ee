//! What an idle connection costs a node, and how soon a node is there.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::stream::{self, TryStreamExt};
use futures::{SinkExt, StreamExt};
use starling_cluster::{Cluster, ClusterConfig, Data, Env, Node};
use starling_protocol::Codec;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::memory::rss_anon;
use crate::systems::{by_websocket, standalone};
use crate::wire::{IdleWire, Native, SocketIo};

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
    let cluster = one_node(binary).await?;
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
    let per_connection = weigh(cluster.node(0), &wire, &node.ws_url(), steps).await?;
    cluster.stop(Data::Wipe).await?;
    Ok(Idle {
        start_up: start_ups[1],
        per_connection,
    })
}

/// The same of Socket.IO clients: for so many, bytes of RssAnon for each.
pub(crate) async fn measure_socketio(binary: &Path, steps: &[usize]) -> Result<Vec<(usize, f64)>> {
    let cluster = one_node(binary).await?;
    let wire = SocketIo::by_token(cluster.token_secret());
    let url = by_websocket(&cluster.node(0).url());
    let per_connection = weigh(cluster.node(0), &wire, &url, steps).await?;
    cluster.stop(Data::Wipe).await?;
    Ok(per_connection)
}

/// The same of a node without services.
pub(crate) async fn measure_standalone(binary: &Path, steps: &[usize]) -> Result<Vec<(usize, f64)>> {
    let node = standalone("bench-idle", binary)?;
    node.start().await?;
    let wire = Native::new(Codec::MessagePack, &node.secret()?);
    weigh(&node, &wire, &node.ws_url(), steps).await
}

async fn one_node(binary: &Path) -> Result<Cluster> {
    let config = ClusterConfig {
        nodes: 1,
        haproxy: false,
        ..ClusterConfig::temporary("bench-idle", binary)
    };
    Cluster::start(config).await
}

/// Connects so many users, step by step, and looks at what the node holds then.
async fn weigh<W: IdleWire>(node: &Node, wire: &W, url: &str, steps: &[usize]) -> Result<Vec<(usize, f64)>> {
    let pid = node.pid().context("the node is gone")?;
    // What the first connections bring into being once stays out of the figure.
    let mut first = connect(wire, url, 0..200).await?;
    first.shutdown().await;
    sleep(SETTLE).await;
    let empty = rss_anon(pid)?;
    let mut connected = 0;
    let mut held = Vec::new();
    let mut per_connection = Vec::new();
    for &step in steps {
        held.push(connect(wire, url, connected..step).await?);
        connected = step;
        sleep(SETTLE).await;
        let bytes = rss_anon(pid)?.saturating_sub(empty);
        per_connection.push((step, bytes as f64 / step as f64));
    }
    for mut tasks in held {
        tasks.shutdown().await;
    }
    Ok(per_connection)
}

/// Connects users and keeps their connections alive: tasks that only answer pings.
async fn connect<W: IdleWire>(wire: &W, url: &str, users: std::ops::Range<usize>) -> Result<JoinSet<()>> {
    let mut sockets = stream::iter(users.map(Ok::<_, anyhow::Error>))
        .map_ok(async |user| wire.connect_idle(url, &format!("idle-{user}")).await)
        .try_buffer_unordered(CONNECTING);
    let mut tasks = JoinSet::new();
    while let Some(mut socket) = sockets.try_next().await? {
        let wire = wire.clone();
        tasks.spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                if let Some(answer) = wire.answer(&message)
                    && socket.send(answer).await.is_err()
                {
                    break;
                }
            }
        });
    }
    Ok(tasks)
}
