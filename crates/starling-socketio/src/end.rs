//! How a namespace's connection ends.

use starling_protocol::CloseCode;

/// Who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client has left the namespace, or the connection is gone.
    Gone,
    /// The client does not read.
    Lost,
    /// The server, for this reason.
    Server(CloseCode),
}

impl End {
    /// Counts it.
    pub(crate) fn record(self) {
        let label = match self {
            Self::Gone => "client".into(),
            Self::Lost => "lost".into(),
            Self::Server(code) => code.code().to_string(),
        };
        metrics::counter!("starling_socketio_closes_total", "code" => label).increment(1);
    }
}
