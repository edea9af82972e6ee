//! The gateway's shared state, and its router.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use starling_core::{Authenticator, Engine, Identity, authenticate_within};
use starling_protocol::Error;
use tokio::sync::Semaphore;

use crate::telemetry::Counters;
use crate::{GatewaySettings, handshake};

/// What all connections of a node share. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    auth: Arc<dyn Authenticator>,
    settings: GatewaySettings,
    counters: Counters,
    pending: Arc<Semaphore>,
}

impl Gateway {
    /// A gateway to `engine`. Install the metrics recorder first: the counters are taken from it here.
    pub fn new(engine: Arc<Engine>, auth: Arc<dyn Authenticator>, settings: GatewaySettings) -> Self {
        let pending = Arc::new(Semaphore::new(settings.max_pending.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner {
            engine,
            auth,
            settings,
            counters: Counters::new(),
            pending,
        }))
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    pub(crate) fn settings(&self) -> &GatewaySettings {
        &self.0.settings
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Places for connections that are not authenticated yet.
    pub(crate) fn pending(&self) -> &Arc<Semaphore> {
        &self.0.pending
    }

    /// Asks the authenticator, in bounded time.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Identity, Error> {
        authenticate_within(&*self.0.auth, token, self.0.settings.auth_timeout).await
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

/// The route `/ws`. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: without it everything
/// works, but log lines lack the peer's address.
pub fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/ws", get(handshake::upgrade))
        .with_state(gateway)
}
