//! A node to connect to.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use starling_core::memory::{MemoryCoordination, MemoryStore, ports};
use starling_core::{Authenticator, Engine, Identity, Settings};
use starling_gateway::{Gateway, GatewaySettings, listen, router};
use starling_protocol::{Error, ErrorCode, UserId};
use tokio::task::AbortHandle;

/// Tokens are `user` or `user@seconds since the epoch`; those of `mallory` are never valid.
struct Tokens;

#[async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, token: &str) -> Result<Identity, Error> {
        let refuse = || Error::new(ErrorCode::Unauthenticated, "the token is not valid");
        let (user, expires_at) = match token.split_once('@') {
            Some((user, expires_at)) => (user, Some(expires_at.parse().map_err(|_| refuse())?)),
            None => (token, None),
        };
        match user {
            "mallory" => Err(refuse()),
            _ => Ok(Identity {
                expires_at,
                ..Identity::of(UserId::new(user).map_err(|_| refuse())?)
            }),
        }
    }
}

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Arc<Engine>,
    pub(crate) coordination: MemoryCoordination,
    server: AbortHandle,
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::with(GatewaySettings::default(), |_| {}).await
    }

    pub(crate) async fn with(gateway: GatewaySettings, change: impl FnOnce(&mut Settings)) -> Self {
        metrics();
        let (store, coordination) = (MemoryStore::new(), MemoryCoordination::new());
        let mut settings = Settings {
            node_id: "node-1".into(),
            sends: None,
            ..Settings::default()
        };
        change(&mut settings);
        let engine = Engine::start(ports(&store, &coordination), settings)
            .await
            .unwrap();
        let gateway = Gateway::new(engine.clone(), Arc::new(Tokens), gateway);
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = axum::serve::Listener::local_addr(&listener).unwrap();
        let app = router(gateway).into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, app).await }).abort_handle();
        Self {
            address,
            engine,
            coordination,
            server,
        }
    }

    /// How many connections the cluster counts for a user.
    pub(crate) fn connections(&self, user: &str) -> usize {
        self.coordination.session_map(&UserId::new(user).unwrap()).len()
    }

    /// Waits until the cluster counts this many connections for a user.
    pub(crate) async fn until_connections(&self, user: &str, count: usize) {
        let waiting = async {
            while self.connections(user) != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert!(
            in_time.is_ok(),
            "{user} has {} connections, not {count}",
            self.connections(user)
        );
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn seconds_from_now(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds
}

/// The process's metrics, shared by all tests.
pub(crate) fn metrics() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}
