//! The ports' contract, held against what the engine's tests run over, and against coordination within one process.

use std::sync::Arc;

use async_trait::async_trait;
use starling_contract::{CoordinationPorts, Pace, Service};
use starling_core::coordination::{LocalNode, Timing};
use starling_core::memory::{MemoryCoordination, MemoryStore};
use tokio::sync::OnceCell;

async fn store() -> (MemoryStore, ()) {
    (MemoryStore::new(), ())
}

starling_contract::store_tests!(store());

fn timing(pace: Pace) -> Timing {
    Timing {
        lease: pace.lease,
        handover: pace.handover,
        poll: pace.poll,
        ..Timing::default()
    }
}

mod simulated {
    use super::*;

    #[derive(Default)]
    struct Simulated(OnceCell<MemoryCoordination>);

    #[async_trait]
    impl Service for Simulated {
        async fn node(&self, pace: Pace) -> Arc<dyn CoordinationPorts> {
            let made = async || MemoryCoordination::with_timing(timing(pace));
            Arc::new(self.0.get_or_init(made).await.node())
        }
    }

    async fn service() -> (Simulated, ()) {
        (Simulated::default(), ())
    }

    starling_contract::coordination_tests!(service());
}

mod local {
    use super::*;

    #[derive(Default)]
    struct Local(OnceCell<LocalNode>);

    #[async_trait]
    impl Service for Local {
        async fn node(&self, pace: Pace) -> Arc<dyn CoordinationPorts> {
            let first = async || LocalNode::alone(timing(pace));
            Arc::new(self.0.get_or_init(first).await.peer())
        }
    }

    async fn service() -> (Local, ()) {
        (Local::default(), ())
    }

    starling_contract::coordination_tests!(service());
}
