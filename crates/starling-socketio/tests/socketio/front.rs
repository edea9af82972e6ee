//! A balancer of the simplest kind: every connection goes to the node of the moment.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: AbortHandle,
}

struct State {
    node: SocketAddr,
    connections: JoinSet<()>,
}

impl Front {
    pub(crate) async fn to(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            node,
            connections: JoinSet::new(),
        }));
        let shared = state.clone();
        let server = tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut state = shared.lock();
                let node = state.node;
                state.connections.spawn(async move {
                    if let Ok(mut node) = TcpStream::connect(node).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut node).await;
                    }
                });
            }
        });
        Self {
            address,
            state,
            server: server.abort_handle(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// New connections go there.
    pub(crate) fn point_to(&self, node: SocketAddr) {
        self.state.lock().node = node;
    }

    /// The node is dead, as far as the clients can tell; they find another one.
    pub(crate) fn move_to(&self, node: SocketAddr) {
        let mut state = self.state.lock();
        state.node = node;
        state.connections = JoinSet::new();
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}
