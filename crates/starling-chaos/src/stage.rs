//! All that a fault can get at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use rand::SeedableRng;
use rand::rngs::StdRng;
use starling_check::Recorder;
use starling_cluster::Cluster;
use tokio::time::{Instant, sleep};

use crate::load::Cast;
use crate::meter::{self, Reading};
use crate::network::Link;
use crate::step::Step;
use crate::topology::{NODES, Topology};

/// A running cluster under load.
pub(crate) struct Stage {
    pub(crate) topology: Topology,
    pub(crate) cast: Arc<Cast>,
    pub(crate) recorder: Arc<Recorder>,
}

/// What a fault did, as proof that it did something.
#[derive(Clone, Debug)]
pub(crate) struct Strikes {
    pub(crate) count: u64,
    pub(crate) detail: String,
}

impl Strikes {
    pub(crate) fn new(count: u64, detail: impl Into<String>) -> Self {
        Self {
            count,
            detail: detail.into(),
        }
    }
}

/// One strike while it happens.
pub(crate) struct Strike<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) step: &'a Step,
    begun: AtomicBool,
    since: parking_lot::Mutex<Instant>,
}

impl<'a> Strike<'a> {
    pub(crate) fn new(stage: &'a Stage, step: &'a Step) -> Self {
        Self {
            stage,
            step,
            begun: AtomicBool::new(false),
            since: parking_lot::Mutex::new(Instant::now()),
        }
    }

    /// A part of another strike, which counts recovery for the whole.
    pub(crate) fn part(stage: &'a Stage, step: &'a Step) -> Self {
        Self {
            begun: AtomicBool::new(true),
            ..Self::new(stage, step)
        }
    }

    /// The fault falls now: from here recovery is counted. Only the first call of a strike counts.
    pub(crate) fn begins(&self) {
        if !self.begun.swap(true, Ordering::Relaxed) {
            *self.since.lock() = Instant::now();
            self.stage.recorder.fault_start(&self.step.fault, None);
        }
    }

    /// When the fault fell.
    pub(crate) fn since(&self) -> Instant {
        *self.since.lock()
    }

    pub(crate) fn cluster(&self) -> &'a Cluster {
        &self.stage.topology
    }

    pub(crate) fn node(&self) -> &'a starling_cluster::Node {
        self.cluster().node(self.step.node)
    }

    /// Where further choices come from.
    pub(crate) fn chance(&self) -> StdRng {
        StdRng::seed_from_u64(self.step.draw)
    }

    /// The nodes whose links the fault falls on.
    pub(crate) fn nodes(&self) -> Vec<usize> {
        if self.step.all {
            (0..NODES).collect()
        } else {
            vec![self.step.node]
        }
    }

    pub(crate) fn redis_links(&self) -> Vec<&'a Link> {
        self.nodes()
            .into_iter()
            .map(|node| self.stage.topology.redis_link(node))
            .collect()
    }

    pub(crate) fn mongo_links(&self) -> Vec<&'a Link> {
        self.nodes()
            .into_iter()
            .map(|node| self.stage.topology.mongo_link(node))
            .collect()
    }

    /// What the nodes count.
    pub(crate) async fn read_counters(&self) -> Reading {
        meter::read(self.cluster()).await
    }

    /// Waits until a counter has risen since an earlier reading, and tells by how much; 0 if it does not.
    pub(crate) async fn rise(&self, earlier: &Reading, metric: &str, within: Duration) -> u64 {
        let deadline = Instant::now() + within;
        loop {
            let rise = self.read_counters().await.rise(earlier, metric);
            if rise > 0 || Instant::now() >= deadline {
                return rise;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Waits for something to become so.
pub(crate) async fn eventually(
    what: &str,
    within: Duration,
    mut is_so: impl AsyncFnMut() -> bool,
) -> Result<()> {
    let deadline = Instant::now() + within;
    while !is_so().await {
        if Instant::now() >= deadline {
            bail!("did not come about within {within:?}: {what}");
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
