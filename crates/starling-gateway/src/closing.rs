//! How connections end.

use starling_core::Outbox;
use starling_protocol::limits::MAX_FRAME_BYTES;
use starling_protocol::{CloseCode, Error, ErrorCode};

use crate::reader::answer;

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
