//! What the cases share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use starling_core::ports::{BusEvent, Incarnation, LeaseToken};
use starling_protocol::{ConversationId, UserId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::{CoordinationPorts, Pace, Service};

/// As a node is set up without further ado.
const USUAL: Pace = Pace {
    lease: Duration::from_secs(3),
    handover: Duration::from_millis(200),
    poll: Duration::from_millis(250),
};

/// Nobody is forgotten, and nothing that was handed over expires, while a busy machine is slow.
pub(super) const PATIENT: Pace = Pace {
    lease: Duration::from_secs(30),
    handover: Duration::from_secs(10),
    poll: Duration::from_secs(10),
};

/// Waits until `check` holds.
pub(super) async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !check().await {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A node that does not listen.
pub(super) async fn connect(service: &dyn Service) -> Arc<dyn CoordinationPorts> {
    service.node(USUAL).await
}

/// A conversation that no other case uses.
pub(super) fn conversation() -> ConversationId {
    ConversationId::new(format!("c-{}", Incarnation::fresh())).unwrap()
}

/// A user whom no other case uses, with braces, since users choose their ids.
pub(super) fn user() -> UserId {
    UserId::new(format!("}}u{{{}", Incarnation::fresh())).unwrap()
}

/// A node, and what it hears.
pub(super) struct Node {
    pub(super) ports: Arc<dyn CoordinationPorts>,
    pub(super) incarnation: Incarnation,
    pub(super) events: mpsc::Receiver<BusEvent>,
}

impl Node {
    pub(super) async fn start(service: &dyn Service) -> Self {
        Self::start_at(service, USUAL).await
    }

    pub(super) async fn start_at(service: &dyn Service, pace: Pace) -> Self {
        let ports = service.node(pace).await;
        let incarnation = Incarnation::fresh();
        let (into, events) = mpsc::channel(1024);
        ports.listen(&incarnation, into).await.unwrap();
        Self {
            ports,
            incarnation,
            events,
        }
    }

    pub(super) fn token(&self, claim: u64) -> LeaseToken {
        LeaseToken {
            incarnation: self.incarnation.clone(),
            claim,
        }
    }

    /// The next thing that it hears.
    pub(super) async fn heard(&mut self) -> BusEvent {
        timeout(Duration::from_secs(30), self.events.recv())
            .await
            .expect("something is heard")
            .expect("it listens")
    }

    /// The next payload that it hears.
    pub(super) async fn payload(&mut self) -> Bytes {
        loop {
            if let BusEvent::Message(payload) = self.heard().await {
                return payload;
            }
        }
    }

    /// Publishes to itself and waits for the echo.
    pub(super) async fn echo(&mut self, payload: &'static str) {
        let payload = Bytes::from_static(payload.as_bytes());
        self.ports
            .publish(std::slice::from_ref(&self.incarnation), payload.clone())
            .await
            .unwrap();
        while self.payload().await != payload {}
    }
}
