//! The ports' contract.

use std::sync::Arc;

use async_trait::async_trait;
use starling_contract::{CoordinationPorts, Pace, Service};

use crate::server::Deployment;
use crate::support::{connect_with, patient_settings};

/// Servers that all cases share.
struct Servers(Arc<Deployment>);

#[async_trait]
impl Service for Servers {
    async fn node(&self, pace: Pace) -> Arc<dyn CoordinationPorts> {
        let mut settings = patient_settings(&self.0);
        settings.lease_ttl = pace.lease;
        settings.handover_ttl = pace.handover;
        settings.poll_interval = pace.poll;
        Arc::new(connect_with(settings).await)
    }
}

mod standalone {
    use super::*;

    async fn service() -> (Servers, ()) {
        (Servers(Deployment::shared_standalone().await), ())
    }

    starling_contract::coordination_tests!(service());
}

mod cluster {
    use super::*;

    async fn service() -> (Servers, ()) {
        (Servers(Deployment::shared_cluster().await), ())
    }

    starling_contract::coordination_tests!(service());
}
