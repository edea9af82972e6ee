//! In-process implementations of all ports, for tests: a simulated cluster under tokio's paused time.
//!
//! One [`MemoryStore`] stands for MongoDB, one [`MemoryCoordination`] for Redis; [`node`] makes the ports of one
//! engine over both, so that several engines share them as the nodes of a cluster do. Time is tokio's only, so
//! leases, liveness and latency pass as fast as the test advances the clock. What coordination does is what
//! [`crate::coordination`] does; here a way to it that fails is put before it.
//!
//! Faults are set at run time: on the [`MemoryStore`] or the [`MemoryCoordination`] that the test made they hold
//! for every node, on the handles of a [`NodePorts`] they hold for that node alone. Nothing fails unless told to.
//!
//! Architecture invariant: no clock but tokio's, no randomness but seeded, no I/O.

mod coordination;
mod directory;
mod effects;
mod events;
mod faults;
mod log;
mod people;
mod presence;
mod replicas;
mod statistics;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use coordination::{MemoryCoordination, MemoryNode, Snapshot};
pub use events::MemorySink;
pub use faults::{InsertFault, Latency};
pub use people::NamedTokens;
pub use store::{MemoryStore, StoreCounts};

pub use crate::coordination::Timing;
use crate::ports::{EventPorts, Ports};

/// What one node of the simulated cluster works with, and the handles through which a test disturbs it.
#[derive(Clone)]
pub struct NodePorts {
    /// For the engine.
    pub ports: Ports,
    /// This node's way to the store: faults set here hit this node only.
    pub store: MemoryStore,
    /// This node's way to coordination: faults set here hit this node only.
    pub coordination: MemoryNode,
}

impl NodePorts {
    /// Cuts this node off from the store and from coordination, or lets it back in.
    pub fn set_reachable(&self, reachable: bool) {
        self.store.set_reachable(reachable);
        self.coordination.set_reachable(reachable);
    }

    /// Stops the node as SIGSTOP does, as far as the world can tell: what it has asked takes effect, answers and
    /// payloads wait for [`NodePorts::resume`], and so does all that it asks meanwhile.
    pub fn stop(&self) {
        self.store.link.stop();
        self.coordination.stop();
    }

    /// Ends [`NodePorts::stop`].
    pub fn resume(&self) {
        self.store.link.resume();
        self.coordination.resume();
    }

    /// Kills the node, as far as the world can tell: of what it has asked some is lost, some takes effect, perhaps
    /// late and perhaps in part, and none of its calls ever returns.
    pub fn kill(&self) {
        self.store.link.kill();
        self.coordination.kill();
    }
}

/// A new node over these services.
pub fn node(store: &MemoryStore, coordination: &MemoryCoordination) -> NodePorts {
    let store = store.node();
    let coordination = coordination.node();
    let ports = Ports {
        log: Arc::new(store.clone()),
        directory: Arc::new(store.clone()),
        leases: Arc::new(coordination.clone()),
        bus: Arc::new(coordination.clone()),
        recent: Arc::new(coordination.clone()),
        sessions: Arc::new(coordination.clone()),
        presence: Arc::new(coordination.clone()),
        presence_store: Arc::new(store.clone()),
        statistics: Arc::new(store.clone()),
        offline: Arc::new(coordination.clone()),
        rates: Arc::new(coordination.clone()),
        people: people::people_ports(&store, &coordination),
        events: None,
    };
    NodePorts {
        ports,
        store,
        coordination,
    }
}

/// The same, with a system outside that is told what is stored.
pub fn node_that_tells(
    store: &MemoryStore,
    coordination: &MemoryCoordination,
    sink: &MemorySink,
) -> NodePorts {
    let mut node = node(store, coordination);
    node.ports.events = Some(EventPorts {
        sinks: vec![Arc::new(sink.clone())],
        queue: Arc::new(node.coordination.clone()),
        cursors: Arc::new(node.store.clone()),
    });
    node
}

/// The ports of a new node, for tests that do not disturb it.
pub fn ports(store: &MemoryStore, coordination: &MemoryCoordination) -> Ports {
    node(store, coordination).ports
}
