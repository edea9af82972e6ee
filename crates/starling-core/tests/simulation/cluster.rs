//! The nodes of a simulated cluster, which start, stop and die.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use starling_core::memory::{self, Latency, MemoryCoordination, MemoryStore, NodePorts, Timing};
use starling_core::{Engine, Settings};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::plan::Plan;

/// Several engines over one in-process store and coordination.
pub(crate) struct Cluster {
    pub(crate) store: MemoryStore,
    pub(crate) coordination: MemoryCoordination,
    places: Vec<Mutex<Option<Arc<Node>>>>,
}

/// One life of a node.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) ports: NodePorts,
    engine: Mutex<Option<Arc<Engine>>>,
    process: Mutex<Process>,
    /// Wakes those who wait for another state of the process. Not a `watch`: that wakes in no certain order.
    changed: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    Running,
    Stopped,
    Dead,
}

/// How long a lease lasts here: everything is faster than in production, so that a short run sees it all.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

fn timing() -> Timing {
    Timing {
        lease: LEASE,
        liveness: Duration::from_secs(3),
        ..Timing::default()
    }
}

fn settings(node_id: String) -> Settings {
    Settings {
        node_id,
        sends: None,
        send_deadline: Duration::from_secs(4),
        lease_share: Duration::from_millis(100),
        actor_idle: Duration::from_secs(2),
        audit_interval: Duration::from_secs(1),
        liveness_interval: Duration::from_secs(1),
        rotation_interval: Duration::from_secs(2),
        ..Settings::default()
    }
}

impl Cluster {
    /// The services, and places for nodes that are still to be started.
    pub(crate) fn new(plan: &Plan) -> Self {
        let cluster = Self {
            store: MemoryStore::new(),
            coordination: MemoryCoordination::with_timing(timing()),
            places: (0..plan.nodes).map(|_| Mutex::default()).collect(),
        };
        cluster.set_pace(plan, 1);
        cluster
    }

    /// Makes everything take its usual time, or a multiple of it.
    pub(crate) fn set_pace(&self, plan: &Plan, factor: u32) {
        let seed = plan.seed ^ u64::from(factor);
        let (coordination, store, lag) = (plan.pace, plan.pace * 2, plan.pace);
        let jitter = |max: Duration| Latency::Jitter {
            min: Duration::ZERO,
            max: max * factor,
            seed,
        };
        self.coordination.set_latency(jitter(coordination));
        self.store.set_latency(jitter(store));
        self.store.set_majority_lag(Duration::ZERO, lag * factor, seed);
    }

    /// How many places for nodes there are.
    pub(crate) fn size(&self) -> usize {
        self.places.len()
    }

    /// The node that lives at a place, if one does.
    pub(crate) fn node(&self, place: usize) -> Option<Arc<Node>> {
        self.places[place].lock().clone()
    }

    /// Starts a node under a new incarnation, as soon as coordination can be reached.
    pub(crate) async fn start(&self, place: usize) {
        if self.node(place).is_some() {
            return;
        }
        let name = format!("node{}", place + 1);
        loop {
            let ports = memory::node(&self.store, &self.coordination);
            if let Ok(engine) = Engine::start(ports.ports.clone(), settings(name.clone())).await {
                *self.places[place].lock() = Some(Arc::new(Node {
                    name,
                    ports,
                    engine: Mutex::new(Some(engine)),
                    process: Mutex::new(Process::Running),
                    changed: Notify::new(),
                }));
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Kills a node; what it had in flight lands late, in part, or never.
    pub(crate) fn kill(&self, place: usize) {
        if let Some(node) = self.places[place].lock().take() {
            node.ports.kill();
            node.set(Process::Dead);
            node.engine.lock().take();
        }
    }
}

impl Node {
    /// The engine, while the node lives.
    pub(crate) fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.lock().clone()
    }

    /// Stops the node as SIGSTOP does.
    pub(crate) fn stop(&self) {
        if *self.process.lock() == Process::Running {
            self.ports.stop();
            self.set(Process::Stopped);
        }
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        if *self.process.lock() == Process::Stopped {
            self.ports.resume();
            self.set(Process::Running);
        }
    }

    fn set(&self, process: Process) {
        *self.process.lock() = process;
        self.changed.notify_waiters();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.process.lock() == Process::Stopped
    }

    /// Waits until the node runs; for ever if it is dead.
    pub(crate) async fn runs(&self) {
        self.is(Process::Running).await;
    }

    /// Waits until the node is dead.
    pub(crate) async fn dies(&self) {
        self.is(Process::Dead).await;
    }

    async fn is(&self, process: Process) {
        loop {
            let changed = self.changed.notified();
            if *self.process.lock() == process {
                return;
            }
            changed.await;
        }
    }
}
