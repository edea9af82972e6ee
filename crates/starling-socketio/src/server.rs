//! What all Socket.IO clients of a node share.

use std::fmt;
use std::sync::Arc;

use starling_core::{Authenticator, Engine, Identity, authenticate_within};
use starling_protocol::Error;
use tokio::sync::Semaphore;

use crate::SocketIoSettings;
use crate::dialect::{CommunityStats, Heard};
use crate::names::Names;
use crate::sockets::Sockets;
use crate::telemetry::Counters;

/// The entrance for Socket.IO clients. Cheap to clone.
#[derive(Clone)]
pub struct SocketIo(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    auth: Arc<dyn Authenticator>,
    settings: SocketIoSettings,
    counters: Counters,
    pending: Arc<Semaphore>,
    names: Names,
    heard: Heard,
    community_stats: CommunityStats,
    sockets: Sockets,
}

impl SocketIo {
    /// An entrance to `engine`, for those whom `auth` believes.
    pub fn new(engine: Arc<Engine>, auth: Arc<dyn Authenticator>, settings: SocketIoSettings) -> Self {
        let pending = Arc::new(Semaphore::new(settings.max_pending.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner {
            engine,
            auth,
            settings,
            counters: Counters::new(),
            pending,
            names: Names::default(),
            heard: Heard::default(),
            community_stats: CommunityStats::default(),
            sockets: Sockets::default(),
        }))
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    pub(crate) fn settings(&self) -> &SocketIoSettings {
        &self.0.settings
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Places for connections that are in no namespace yet.
    pub(crate) fn pending(&self) -> &Arc<Semaphore> {
        &self.0.pending
    }

    pub(crate) fn names(&self) -> &Names {
        &self.0.names
    }

    /// What dialects remember of the core's frames.
    pub(crate) fn heard(&self) -> &Heard {
        &self.0.heard
    }

    /// What was counted lately of the community's channel.
    pub(crate) fn community_stats(&self) -> &CommunityStats {
        &self.0.community_stats
    }

    /// The clients that are let in.
    pub(crate) fn sockets(&self) -> &Sockets {
        &self.0.sockets
    }

    /// Asks the authenticator, in bounded time.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Identity, Error> {
        authenticate_within(&*self.0.auth, token, self.0.settings.connect_timeout).await
    }
}

impl fmt::Debug for SocketIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketIo")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}
