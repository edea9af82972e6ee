//! `cargo xtask bench`: how many messages a cluster stores and delivers in a second.
//!
//! Three nodes in the release build, one mongod with majority writes, one Redis, and the load beside them on the
//! same machine, over loopback. Every user keeps a fixed number of sends in flight, so the figures are of a
//! cluster that is kept busy, and the latencies are those of a busy cluster too.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use starling_client::{Client, Tapped};
use starling_client::protocol::{ConversationId, Event, ServerFrame, UserId};
use starling_cluster::{Cluster, ClusterConfig, Data, Profile, build_node};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::interrupt::Interrupt;
use crate::setup;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// For how many seconds each load is measured
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// A load: so many conversations of so many users, who have so many sends of 64 bytes in flight each.
struct Load {
    conversations: usize,
    users: usize,
    in_flight: usize,
}

const LOADS: [Load; 2] = [
    Load {
        conversations: 1,
        users: 30,
        in_flight: 16,
    },
    Load {
        conversations: 200,
        users: 3,
        in_flight: 8,
    },
];

/// Before counting starts: connections, caches and leases settle.
const WARM_UP: Duration = Duration::from_secs(2);

/// 64 bytes.
const TEXT: &str = "The quick brown fox jumps over the lazy dog, and then once more.";

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let mut interrupt = Interrupt::new()?;
    setup::run()?;
    println!("building the node");
    let binary = build_node(Profile::Release).await?;
    println!("conversations x users, in flight: acknowledged/s, deliveries/s, acknowledged after p50 / p99");
    for load in &LOADS {
        tokio::select! {
            measured = Box::pin(measure(load, &binary, Duration::from_secs(args.seconds))) => {
                println!("{}", measured?);
            }
            () = interrupt.received() => bail!("interrupted; nothing is left running"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(load: &Load, binary: &Path, time: Duration) -> Result<String> {
    let config = ClusterConfig {
        haproxy: false,
        ..ClusterConfig::temporary("bench", binary)
    };
    let cluster = Cluster::start(config).await?;
    let delivered = Arc::new(AtomicU64::new(0));
    let mut senders = Vec::new();
    for conversation in 0..load.conversations {
        senders.extend(members(&cluster, load, conversation, &delivered).await?);
    }
    let begin = Instant::now() + WARM_UP;
    let mut tasks = JoinSet::new();
    for (client, id) in &senders {
        for _ in 0..load.in_flight {
            tasks.spawn(keep_sending(client.clone(), id.clone(), begin, begin + time));
        }
    }
    tokio::time::sleep_until(begin).await;
    let before = delivered.load(Ordering::Relaxed);
    tokio::time::sleep_until(begin + time).await;
    let deliveries = delivered.load(Ordering::Relaxed) - before;
    let mut waits = Vec::new();
    while let Some(sent) = tasks.join_next().await {
        waits.extend(sent?.context("a send was not acknowledged")?);
    }
    for (client, _) in senders {
        client.close().await;
    }
    cluster.stop(Data::Wipe).await?;
    waits.sort_unstable();
    let at = |share: f64| {
        let index = (waits.len() as f64 * share) as usize;
        waits.get(index).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    let seconds = time.as_secs_f64();
    Ok(format!(
        "{} x {}, {}: {:.0}/s, {:.0}/s, {:.1} ms / {:.1} ms",
        load.conversations,
        load.users,
        load.in_flight,
        waits.len() as f64 / seconds,
        deliveries as f64 / seconds,
        at(0.5),
        at(0.99),
    ))
}

/// The clients of one conversation, spread over the nodes.
async fn members(
    cluster: &Cluster,
    load: &Load,
    conversation: usize,
    delivered: &Arc<AtomicU64>,
) -> Result<Vec<(Arc<Client>, ConversationId)>> {
    let names: Vec<_> = (0..load.users)
        .map(|user| format!("user-{conversation}-{user}"))
        .collect();
    let mut clients = Vec::with_capacity(names.len());
    for (number, name) in names.iter().enumerate() {
        let node = cluster.node((conversation + number) % cluster.nodes().len());
        let delivered = delivered.clone();
        let client = Client::builder([node.ws_url()])
            .token(cluster.token(name)?)
            .discard_events()
            .without_delivered_marks()
            .tap(move |what| {
                if matches!(what, Tapped::Received(ServerFrame::Event(Event::Entry(_)))) {
                    delivered.fetch_add(1, Ordering::Relaxed);
                }
            })
            .connect()
            .await?;
        client.live().await?;
        clients.push(Arc::new(client));
    }
    let others = names[1..].iter().map(UserId::new).collect::<Result<_, _>>()?;
    let id = clients[0].create_group(others).await?.id;
    Ok(clients.into_iter().map(|client| (client, id.clone())).collect())
}

/// Sends one after the other until `end`; how long each took that was sent after `begin`.
async fn keep_sending(
    client: Arc<Client>,
    id: ConversationId,
    begin: Instant,
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut waits = Vec::new();
    loop {
        let sent = Instant::now();
        if sent >= end {
            return Ok(waits);
        }
        client.send(&id, TEXT).await?;
        if sent >= begin {
            waits.push(sent.elapsed());
        }
    }
}
