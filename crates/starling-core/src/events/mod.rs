//! Tells systems outside (a broker, a webhook) what is stored: at least once, from the log itself, in order.
//!
//! The log is the only source. For each sink a cursor per conversation, kept with the store, says how far it was told;
//! a node reads on from there, publishes, and raises the cursor once the sink has confirmed. So nothing is told that is
//! not stored, and a crash anywhere costs repetitions.
//!
//! Which conversations are behind is a queue in coordination: whoever appends puts his conversation in, off the path of
//! the send, and some node takes it out for a while (one at a time, so that order holds and little is repeated). A queue
//! may forget; what it forgot, the rotation over all conversations finds by comparing cursors with heads.
//!
//! Architecture invariant: nothing here is waited for by a send, and no more is held in memory than ids of
//! conversations, in bounded number, and the pages that are on their way.

mod backlog;
mod emitter;
mod rotation;
mod start;

use std::sync::Arc;
use std::time::Duration;

use starling_protocol::ConversationId;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::ports::{EventPorts, EventSink, Unavailable};
use crate::shared::Shared;
use backlog::Backlog;
use emitter::Emitter;
pub use start::EventsFrom;
use start::Start;

/// How long a draining node waits for what is under way.
const FAREWELL: Duration = Duration::from_secs(5);

/// The sinks of this node; none, where nobody is told.
#[derive(Default)]
pub(crate) struct Events {
    outlets: Vec<Arc<Outlet>>,
}

/// One sink, and what this node knows to be behind.
struct Outlet {
    sink: Arc<dyn EventSink>,
    ports: EventPorts,
    backlog: Backlog,
    start: Start,
    /// Held while conversations are taken out of the queue.
    at_work: tokio::sync::Mutex<()>,
}

impl Events {
    pub(crate) fn new(ports: Option<&EventPorts>) -> Self {
        let outlets = ports.into_iter().flat_map(|ports| {
            ports.sinks.iter().map(|sink| {
                Arc::new(Outlet {
                    sink: sink.clone(),
                    ports: ports.clone(),
                    backlog: Backlog::default(),
                    start: Start::default(),
                    at_work: tokio::sync::Mutex::new(()),
                })
            })
        });
        Self {
            outlets: outlets.collect(),
        }
    }

    /// Something is stored that is perhaps not told yet. Cheap, and never waits.
    pub(crate) fn stored(&self, conversation: &ConversationId) {
        for outlet in &self.outlets {
            outlet.backlog.add(conversation);
        }
    }

    /// Starts the work for each sink.
    pub(crate) fn start(&self, shared: &Arc<Shared>) -> Vec<AbortHandle> {
        let mut tasks = Vec::new();
        for outlet in &self.outlets {
            let emitter = Emitter::new(shared.clone(), outlet.clone());
            tasks.push(tokio::spawn(emitter.run()).abort_handle());
            tasks.push(tokio::spawn(rotation::rotate(shared.clone(), outlet.clone())).abort_handle());
        }
        tasks
    }

    /// Leaves the rest to other nodes: waits for what is under way, and puts what this node knows into the queue. To be
    /// called on a draining node, once nothing more is appended.
    pub(crate) async fn hand_over(&self) {
        for outlet in &self.outlets {
            let _ = timeout(FAREWELL, outlet.at_work.lock()).await;
            if let Err(unavailable) = outlet.put_backlog().await {
                tracing::debug!(%unavailable, "left for the rotation to find");
            }
        }
    }
}

impl Outlet {
    fn name(&self) -> &'static str {
        self.sink.name()
    }

    /// Puts what this node has appended to into the queue.
    async fn put_backlog(&self) -> Result<(), Unavailable> {
        while let Some(chunk) = self.backlog.next_chunk() {
            if let Err(unavailable) = self.ports.queue.put(self.name(), &chunk).await {
                chunk.iter().for_each(|id| self.backlog.add(id));
                return Err(unavailable);
            }
        }
        Ok(())
    }
}
