//! What the cases share.

use std::time::Duration;

use bytes::Bytes;
use starling_core::ports::{Bus, BusEvent, Incarnation, LeaseToken};
use starling_protocol::{ConversationId, UserId};
use starling_redis::{Redis, RedisSettings};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::server::Deployment;

/// Each case on a standalone server and on a cluster, shared with other cases.
macro_rules! on_both {
    ($($case:ident,)*) => {
        mod standalone {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(&*crate::server::Deployment::shared_standalone().await).await;
            })*
        }

        mod cluster {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(&*crate::server::Deployment::shared_cluster().await).await;
            })*
        }
    };
}
pub(crate) use on_both;

/// Waits until `check` holds.
pub(crate) async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !check().await {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// With which no case takes a machine that stalls for a second for a Redis that is away.
pub(crate) fn patient_settings(deployment: &Deployment) -> RedisSettings {
    let mut settings = RedisSettings::new(deployment.url());
    settings.command_timeout = Duration::from_secs(10);
    settings.connect_timeout = Duration::from_secs(10);
    settings.lease_ttl = Duration::from_secs(60);
    settings
}

pub(crate) async fn connect(deployment: &Deployment) -> Redis {
    connect_with(patient_settings(deployment)).await
}

pub(crate) async fn connect_with(settings: RedisSettings) -> Redis {
    // For `RUST_LOG=fred=debug,starling_redis=debug cargo test … -- --nocapture`.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
    Redis::connect(settings).await.expect("redis can be reached")
}

/// A conversation that no other case uses.
pub(crate) fn conversation() -> ConversationId {
    ConversationId::new(format!("c-{}", Incarnation::fresh())).unwrap()
}

/// A user whom no other case uses, with braces, since users choose their ids.
pub(crate) fn user() -> UserId {
    UserId::new(format!("}}u{{{}", Incarnation::fresh())).unwrap()
}

/// A node: a connection of its own, and what it hears.
pub(crate) struct Node {
    pub(crate) redis: Redis,
    pub(crate) incarnation: Incarnation,
    pub(crate) events: mpsc::Receiver<BusEvent>,
}

impl Node {
    pub(crate) async fn start(deployment: &Deployment) -> Self {
        Self::start_with(patient_settings(deployment)).await
    }

    pub(crate) async fn start_with(settings: RedisSettings) -> Self {
        let redis = connect_with(settings).await;
        let incarnation = Incarnation::fresh();
        let (into, events) = mpsc::channel(1024);
        redis.listen(&incarnation, into).await.unwrap();
        Self {
            redis,
            incarnation,
            events,
        }
    }

    pub(crate) fn token(&self, claim: u64) -> LeaseToken {
        LeaseToken {
            incarnation: self.incarnation.clone(),
            claim,
        }
    }

    /// The next thing that it hears.
    pub(crate) async fn heard(&mut self) -> BusEvent {
        timeout(Duration::from_secs(30), self.events.recv())
            .await
            .expect("something is heard")
            .expect("it listens")
    }

    /// The next payload that it hears.
    pub(crate) async fn payload(&mut self) -> Bytes {
        loop {
            if let BusEvent::Message(payload) = self.heard().await {
                return payload;
            }
        }
    }

    /// Waits until it is told that it may have missed something, and why.
    pub(crate) async fn missed(&mut self) -> &'static str {
        loop {
            if let BusEvent::Missed { reason } = self.heard().await {
                return reason;
            }
        }
    }

    /// Publishes to itself and waits for the echo.
    pub(crate) async fn echo(&mut self, payload: &'static str) {
        let payload = Bytes::from_static(payload.as_bytes());
        self.redis
            .publish(std::slice::from_ref(&self.incarnation), payload.clone())
            .await
            .unwrap();
        while self.payload().await != payload {}
    }
}
