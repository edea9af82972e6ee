//! A connection: the node's side of it, which does what the gateway does, and two ways with latency.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use starling_core::{Drained, Identity, Outbox, Session, SharedFrame};
use starling_protocol::{ClientFrame, Ready, UserId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::cluster::Node;

/// What a node keeps for one client. Little, so that slow readers are let go of.
const OUTBOX_BYTES: usize = 16 << 10;
/// Frames on their way to the node.
const WAY: usize = 1_024;
/// How long a frame is on its way at most.
const LATENCY: Duration = Duration::from_millis(8);
/// How long a client waits for a node to take its connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A client's end of a connection.
pub(crate) struct Connection {
    pub(crate) node: Arc<Node>,
    session: Arc<Session>,
    outbox: Arc<Outbox>,
    way: mpsc::Sender<ClientFrame>,
    gateway: JoinHandle<()>,
}

impl Connection {
    /// Connects to a node, unless it refuses or gives no answer.
    pub(crate) async fn open(node: Arc<Node>, user: &UserId, rng: &mut StdRng) -> Option<Self> {
        let engine = node.engine()?;
        let outbox = Outbox::new(OUTBOX_BYTES);
        let (to, session) = oneshot::channel();
        let (at, name, into) = (node.clone(), user.clone(), outbox.clone());
        // A node learns only later that a client has given up.
        tokio::spawn(async move {
            let opened = engine.open_session(Identity::of(name), into).await;
            if let Some(Err(abandoned)) = opened.ok().map(|session| to.send(session)) {
                close(at, abandoned).await;
            }
        });
        let session = timeout(CONNECT_TIMEOUT, session).await.ok()?.ok()?;
        outbox.push(SharedFrame::ready(Ready {
            user: user.clone(),
            node: node.name.clone(),
            connection: session.connection().as_str().to_owned(),
            heartbeat_ms: 25_000,
        }));
        let (way, frames) = mpsc::channel(WAY);
        let latency = StdRng::seed_from_u64(rng.random());
        let gateway = tokio::spawn(serve(node.clone(), session.clone(), frames, latency));
        Some(Self {
            node,
            session,
            outbox,
            way,
            gateway,
        })
    }

    /// Sends a frame; `false` if the way is full, as it is towards a node that does not read.
    pub(crate) fn send(&self, frame: ClientFrame) -> bool {
        self.way.try_send(frame).is_ok()
    }

    /// What the node has for this client. Cancel-safe.
    pub(crate) async fn hear(&self) -> Drained {
        self.node.runs().await;
        self.outbox.drain().await
    }

    /// Ends the connection: what was sent still arrives, or, if it broke, not.
    ///
    /// What a stopped node has not read by then it never reads. Else it would take it for new when it goes on; and
    /// nothing could tell it that the same was refused elsewhere meanwhile, if the sender has become a member since.
    pub(crate) fn end(self, broke: bool) {
        if broke || self.node.is_stopped() {
            self.gateway.abort();
            tokio::spawn(close(self.node, self.session));
        }
    }
}

/// How long a frame is on its way.
pub(crate) fn latency(rng: &mut StdRng) -> Duration {
    rng.random_range(Duration::ZERO..LATENCY)
}

async fn serve(
    node: Arc<Node>,
    session: Arc<Session>,
    mut frames: mpsc::Receiver<ClientFrame>,
    mut rng: StdRng,
) {
    while let Some(frame) = frames.recv().await {
        sleep(latency(&mut rng)).await;
        node.runs().await;
        session.handle(frame.id, frame.command).await;
    }
    close(node, session).await;
}

async fn close(node: Arc<Node>, session: Arc<Session>) {
    node.runs().await;
    session.close().await;
}
