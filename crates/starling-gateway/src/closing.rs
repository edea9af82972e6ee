//! How connections end.

use std::sync::Arc;
use std::time::Duration;

use starling_core::{Outbox, Session};
use starling_protocol::limits::MAX_FRAME_BYTES;
use starling_protocol::{CloseCode, Error, ErrorCode};

use crate::reader::answer;

/// How long the end of a connection waits for the session map. A client that comes back at once must not be
/// refused because of the connection that it has just closed.
const SESSION_CLOSED_WITHIN: Duration = Duration::from_millis(500);

/// Who ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client said that it leaves.
    Client,
    /// The connection broke, or the client stopped reading.
    Lost,
    /// The server, for this reason; the client is still to be told.
    Server(CloseCode),
}

impl End {
    /// Counts it.
    pub(crate) fn record(self) {
        let label = match self {
            Self::Client => "client".into(),
            Self::Lost => "lost".into(),
            Self::Server(code) => code.code().to_string(),
        };
        metrics::counter!("starling_closes_total", "code" => label).increment(1);
    }
}

/// Why a connection cannot go on, as the client is told.
#[derive(Debug)]
pub(crate) struct Fault {
    id: Option<u64>,
    error: Error,
    code: CloseCode,
}

impl Fault {
    /// The command `id`, or the connection itself, is refused, and with it the connection.
    pub(crate) fn refused(id: Option<u64>, error: Error) -> Self {
        let code = match error.code {
            ErrorCode::TooManyConnections => CloseCode::TooManyConnections,
            ErrorCode::Unauthenticated => CloseCode::Unauthenticated,
            ErrorCode::Malformed | ErrorCode::Invalid | ErrorCode::UnknownCommand => CloseCode::ProtocolError,
            _ => CloseCode::Unavailable,
        };
        Self { id, error, code }
    }

    pub(crate) fn too_large() -> Self {
        let error = Error::new(
            ErrorCode::TooLarge,
            format!("a frame holds at most {MAX_FRAME_BYTES} bytes"),
        );
        Self {
            id: None,
            error,
            code: CloseCode::FrameTooLarge,
        }
    }

    pub(crate) fn not_websocket(violation: String) -> Self {
        let error = Error::new(ErrorCode::Malformed, violation);
        Self {
            id: None,
            error,
            code: CloseCode::ProtocolError,
        }
    }

    pub(crate) fn error(&self) -> &Error {
        &self.error
    }

    /// Queues the error and closes the outbox: the writer does the rest.
    pub(crate) fn tell(self, outbox: &Outbox) {
        answer(outbox, self.id, self.error);
        outbox.close(self.code);
    }
}

/// Closes a session whichever way its connection ends: also when the connection's task is dropped or panics.
pub(crate) struct SessionGuard(Option<Arc<Session>>);

impl SessionGuard {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self(Some(session))
    }

    /// Closes the session; waits for it a short time, and leaves it to go on by itself after that.
    pub(crate) async fn close(mut self) {
        if let Some(session) = self.0.take() {
            let closing = tokio::spawn(async move { session.close().await });
            let _ = tokio::time::timeout(SESSION_CLOSED_WITHIN, closing).await;
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
    use starling_core::memory::{MemoryCoordination, MemoryStore, ports};
    use starling_core::{Engine, Settings};
    use starling_protocol::UserId;

    use super::*;

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
            .open_session(ann.clone(), None, outbox.clone())
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
