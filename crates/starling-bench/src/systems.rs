//! The two systems side by side: one Redis, one MongoDB, three processes each; and Starling without any service.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use starling_cluster::{Cluster, ClusterConfig, Data, Env, Standalone};
use starling_core::ports::Statistics;
use starling_protocol::Codec;

use crate::load::{self, Load, Outcome};
use crate::memory::rss_anon;
use crate::report::System;
use crate::store::Store;
use crate::wire::{Native, SocketIo};
use crate::yardstick::{self, Yardstick};

/// Where a load enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// At the nodes, in turn.
    Nodes,
    /// At HAProxy. (The yardstick has none in front: it is measured at its nodes, which is in its favour.)
    Front,
}

/// The address at which Socket.IO is spoken over a WebSocket.
pub(crate) fn by_websocket(url: &str) -> String {
    url.replacen("http", "ws", 1)
}

/// What runs.
pub(crate) struct Systems {
    cluster: Cluster,
    yardstick: Option<Yardstick>,
    standalone: Standalone,
    /// What it has acknowledged.
    kept_alone: u64,
    store: Store,
    loads: u32,
}

/// How long it may take to stop in order.
const STOP: Duration = Duration::from_secs(20);

/// A node without services that is not started yet, and does not limit its users, as little as the cluster's do.
pub(crate) fn standalone(name: &str, binary: &Path) -> Result<Standalone> {
    let unlimited = ["STARLING_SENDS_PER_SECOND", "STARLING_CONNECTIONS_PER_USER"];
    let unlimited = unlimited.map(|name| (name.to_owned(), "0".to_owned()));
    Standalone::new(name, binary, Env::from(unlimited))
}

impl Systems {
    pub(crate) async fn start(binary: &Path, with_yardstick: bool) -> Result<Self> {
        let config = ClusterConfig {
            // As mongod comes. With little it is busy writing out what the next load needs again, and all wait for that.
            mongo_cache_gb: None,
            ..ClusterConfig::temporary("bench", binary)
        };
        let cluster = Cluster::start(config).await?;
        let yardstick = match with_yardstick {
            true => Some(Yardstick::start(&cluster, Path::new("node")).await?),
            false => None,
        };
        let standalone = standalone("bench", binary)?;
        standalone.start().await?;
        let store = Store::connect(&cluster.mongo().url()).await?;
        Ok(Self {
            cluster,
            yardstick,
            standalone,
            kept_alone: 0,
            store,
            loads: 0,
        })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Bytes of RssAnon of the node of Starling that holds most.
    pub(crate) fn memory(&self) -> Result<u64> {
        let nodes = self.cluster.nodes().iter();
        let bytes: Result<Vec<_>> = nodes
            .map(|node| rss_anon(node.pid().context("a node is gone")?))
            .collect();
        bytes?.into_iter().max().context("there are no nodes")
    }

    /// The systems that can be measured.
    pub(crate) fn all(&self) -> Vec<System> {
        let yardstick = self.yardstick.as_ref().map(|_| System::Yardstick);
        yardstick
            .into_iter()
            .chain([
                System::Starling,
                System::StarlingJson,
                System::StarlingSocketIo,
                System::Standalone,
            ])
            .collect()
    }

    /// Puts a load on one of them, and counts what it has stored.
    pub(crate) async fn run(&mut self, system: System, entrance: Entrance, load: Load) -> Result<Outcome> {
        self.loads += 1;
        let name = format!("load{}", self.loads);
        let outcome = self
            .load(system, entrance, &name, load)
            .await
            .with_context(|| format!("{} under {load:?}", system.name()))?;
        let stored = match system {
            System::Yardstick => self.store.yardstick_messages(yardstick::DATABASE, &name).await?,
            // Its store is its own as long as it runs: all is counted at the end.
            System::Standalone => {
                self.kept_alone += outcome.stored;
                outcome.stored
            }
            _ => self.store.starling_messages("starling", &name).await?,
        };
        ensure!(
            stored == outcome.stored,
            "{}: {} sends were acknowledged, {stored} messages are stored",
            system.name(),
            outcome.stored
        );
        Ok(outcome)
    }

    async fn load(&self, system: System, entrance: Entrance, name: &str, load: Load) -> Result<Outcome> {
        let codec = match system {
            System::Yardstick => {
                let yardstick = self.yardstick.as_ref().context("it does not run")?;
                return load::run(&SocketIo::by_id(), yardstick.nodes(), name, load).await;
            }
            System::StarlingSocketIo => {
                let wire = SocketIo::by_token(self.cluster.token_secret());
                let nodes: Vec<_> = match entrance {
                    Entrance::Nodes => self
                        .cluster
                        .nodes()
                        .iter()
                        .map(|node| by_websocket(&node.url()))
                        .collect(),
                    Entrance::Front => vec![by_websocket(&self.cluster.front_url())],
                };
                return load::run(&wire, &nodes, name, load).await;
            }
            System::Standalone => {
                let wire = Native::new(Codec::MessagePack, &self.standalone.secret()?);
                return load::run(&wire, &[self.standalone.ws_url()], name, load).await;
            }
            System::Starling => Codec::MessagePack,
            System::StarlingJson => Codec::Json,
        };
        let wire = Native::new(codec, self.cluster.token_secret());
        let nodes: Vec<_> = match entrance {
            Entrance::Nodes => self.cluster.nodes().iter().map(|node| node.ws_url()).collect(),
            Entrance::Front => vec![self.cluster.front_ws_url()],
        };
        load::run(&wire, &nodes, name, load).await
    }

    pub(crate) async fn stop(self) -> Result<()> {
        drop(self.yardstick);
        self.cluster.stop(Data::Wipe).await?;
        self.standalone.terminate(STOP).await?;
        let store = starling_embedded::Store::open(&self.standalone.data_dir())?;
        let (kept, stored) = (self.kept_alone, store.totals().await?.messages);
        ensure!(
            stored == kept,
            "{}: {kept} sends were acknowledged, {stored} messages are stored",
            System::Standalone.name()
        );
        Ok(())
    }
}
