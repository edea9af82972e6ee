//! The two systems side by side: one Redis, one MongoDB, three processes each.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use starling_cluster::{Cluster, ClusterConfig, Data};
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

/// What runs.
pub(crate) struct Systems {
    cluster: Cluster,
    yardstick: Option<Yardstick>,
    store: Store,
    loads: u32,
}

impl Systems {
    pub(crate) async fn start(binary: &Path, with_yardstick: bool) -> Result<Self> {
        let cluster = Cluster::start(ClusterConfig::temporary("bench", binary)).await?;
        let yardstick = match with_yardstick {
            true => Some(Yardstick::start(&cluster, Path::new("node")).await?),
            false => None,
        };
        let store = Store::connect(&cluster.mongo().url()).await?;
        Ok(Self {
            cluster,
            yardstick,
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
            .chain([System::Starling, System::StarlingJson])
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
                return load::run(&SocketIo, yardstick.nodes(), name, load).await;
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
        self.cluster.stop(Data::Wipe).await
    }
}
