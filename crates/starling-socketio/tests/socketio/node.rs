//! Nodes to connect to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use starling_core::memory::{MemoryCoordination, MemoryStore, ports};
use starling_core::{Authenticator, Engine, Identity, Settings};
use starling_gateway::listen;
use starling_protocol::{ClientId, Command, ConversationId, Error, ErrorCode, Reply, Send, Sent, UserId};
use starling_rest::{CorsOrigin, Rest, RestSettings};
use starling_socketio::{Rooms, SocketIo, SocketIoSettings, router};
use tokio::task::AbortHandle;

/// A token is its user's id, or `user@seconds since the epoch`; Mallory's is never valid.
struct Tokens;

#[async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, token: &str) -> Result<Identity, Error> {
        let refuse = || Error::new(ErrorCode::Unauthenticated, "the token is not valid");
        if token == "mallory" {
            return Err(refuse());
        }
        let (user, expires_at) = match token.split_once('@') {
            Some((user, expires_at)) => (user, Some(expires_at.parse().map_err(|_| refuse())?)),
            None => (token, None),
        };
        Ok(Identity {
            expires_at,
            ..Identity::of(UserId::new(user).map_err(|_| refuse())?)
        })
    }
}

/// What all nodes of a test share.
pub(crate) struct Services {
    store: MemoryStore,
    coordination: MemoryCoordination,
}

impl Services {
    pub(crate) fn new() -> Self {
        Self {
            store: MemoryStore::new(),
            coordination: MemoryCoordination::new(),
        }
    }

    pub(crate) async fn node(&self) -> Node {
        self.node_with(SocketIoSettings {
            rooms: Rooms::MadeOnJoin,
            ..SocketIoSettings::default()
        })
        .await
    }

    pub(crate) async fn node_with(&self, settings: SocketIoSettings) -> Node {
        let engine = Settings {
            sends: None,
            presence_grace: Duration::from_millis(200),
            ..Settings::default()
        };
        let engine = Engine::start(ports(&self.store, &self.coordination), engine)
            .await
            .unwrap();
        let socketio = SocketIo::new(engine.clone(), Arc::new(Tokens), settings);
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = axum::serve::Listener::local_addr(&listener).unwrap();
        let app = router(socketio)
            .merge(native(engine.clone()))
            .into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, app).await }).abort_handle();
        Node {
            address,
            engine,
            server,
        }
    }
}

/// The HTTP API, for what the seeds have no words for.
fn native(engine: Arc<Engine>) -> Router {
    let settings = RestSettings {
        service: "starling".into(),
        version: "0".into(),
        cors_origin: CorsOrigin::Same,
        metrics: Arc::new(String::new),
        client_address: Arc::new(|peer, _| peer),
    };
    starling_rest::router(Rest::new(engine, Arc::new(Tokens), settings))
}

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Arc<Engine>,
    server: AbortHandle,
}

impl Node {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says something, as a program would that has no Socket.IO.
    pub(crate) async fn send(&self, user: &str, room: &str, text: &str) -> Sent {
        let room = ConversationId::new(room).unwrap();
        let send = Send::text(room, ClientId::new(text).unwrap(), text);
        let user = UserId::new(user).unwrap();
        match self.engine.execute(&user, Command::Send(send)).await.unwrap() {
            Reply::Sent(sent) => sent,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}
