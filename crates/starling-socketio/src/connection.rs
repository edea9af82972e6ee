//! One connection of the engine: which namespaces its client is in.

use std::sync::Arc;

use engineioxide::{DisconnectReason, Socket};
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

use crate::decoder::Decoder;
use crate::inbox::Inbox;

/// The engine's side of a connection: whatever the transport.
pub(crate) type Wire = Arc<Socket<Connection>>;

/// What is kept for each connection.
#[derive(Default)]
pub(crate) struct Connection(Mutex<State>);

#[derive(Default)]
struct State {
    decoder: Decoder,
    namespaces: Vec<(&'static str, Arc<Inbox>)>,
    /// Its place among those that are in no namespace yet.
    place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Does something with its decoder.
    pub(crate) fn decode<T>(&self, read: impl FnOnce(&mut Decoder) -> T) -> T {
        read(&mut self.0.lock().decoder)
    }

    pub(crate) fn wait_in(&self, place: OwnedSemaphorePermit) {
        self.0.lock().place = Some(place);
    }

    /// It is let into a namespace, so it holds no place any more.
    pub(crate) fn admitted(&self) {
        self.0.lock().place = None;
    }

    /// Whether it has still not been let into any namespace.
    pub(crate) fn is_waiting(&self) -> bool {
        let state = self.0.lock();
        state.place.is_some() || state.namespaces.is_empty()
    }

    /// Enters a namespace; `false` if it is in there already.
    pub(crate) fn enter(&self, namespace: &'static str, inbox: &Arc<Inbox>) -> bool {
        let mut state = self.0.lock();
        let entered = state.namespaces.iter().all(|(name, _)| *name != namespace);
        if entered {
            state.namespaces.push((namespace, inbox.clone()));
        }
        entered
    }

    /// Takes an inbox out of its namespace; another one may have taken its place.
    pub(crate) fn leave(&self, inbox: &Arc<Inbox>) {
        self.0
            .lock()
            .namespaces
            .retain(|(_, other)| !Arc::ptr_eq(other, inbox));
    }

    pub(crate) fn inbox(&self, namespace: &str) -> Option<Arc<Inbox>> {
        let state = self.0.lock();
        let found = state.namespaces.iter().find(|(name, _)| *name == namespace);
        found.map(|(_, inbox)| inbox.clone())
    }

    /// The connection is gone.
    pub(crate) fn close(&self) {
        let mut state = self.0.lock();
        state.place = None;
        for (_, inbox) in state.namespaces.drain(..) {
            inbox.close();
        }
    }
}

/// Ends a connection from our side.
pub(crate) fn hang_up(wire: &Wire) {
    wire.close(DisconnectReason::ClosingServer);
}
