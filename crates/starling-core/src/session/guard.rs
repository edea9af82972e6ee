//! The end of a session, whichever way its connection ends.

use std::sync::Arc;
use std::time::Duration;

use super::Session;

/// How long the end of a connection waits for the session map. A client that comes back at once must not be
/// refused because of the connection that it has just closed.
const CLOSED_WITHIN: Duration = Duration::from_millis(500);

/// Closes a session whichever way its connection ends: also when the connection's task is dropped or panics.
#[derive(Debug)]
pub struct SessionGuard(Option<Arc<Session>>);

impl SessionGuard {
    /// From here on the session ends with the guard.
    pub fn new(session: Arc<Session>) -> Self {
        Self(Some(session))
    }

    /// Closes the session; waits for it a short time, and leaves it to go on by itself after that.
    pub async fn close(mut self) {
        if let Some(session) = self.0.take() {
            let closing = tokio::spawn(async move { session.close().await });
            let _ = tokio::time::timeout(CLOSED_WITHIN, closing).await;
        }
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let Some(session) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { session.close().await });
        }
    }
}

#[cfg(test)]
mod tests {
    use starling_protocol::UserId;

    use super::*;
    use crate::memory::{MemoryCoordination, MemoryStore, ports};
    use crate::{Engine, Outbox, Settings};

    /// What a task that is dropped or panics leaves behind.
    #[tokio::test]
    async fn a_dropped_guard_closes_its_session() {
        let (store, coordination) = (MemoryStore::new(), MemoryCoordination::new());
        let engine = Engine::start(ports(&store, &coordination), Settings::default())
            .await
            .unwrap();
        let ann = UserId::new("ann").unwrap();
        let outbox = Outbox::new(1 << 20);
        let session = engine
            .open_session(crate::Identity::of(ann.clone()), outbox.clone())
            .await
            .unwrap();
        assert_eq!(coordination.session_map(&ann).len(), 1);
        drop(SessionGuard::new(session));
        let closed = async {
            while !coordination.session_map(&ann).is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), closed)
            .await
            .unwrap();
        assert!(outbox.closed().is_some());
    }
}
