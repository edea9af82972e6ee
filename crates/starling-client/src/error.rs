//! What can go wrong, apart from what the client mends by itself.

use starling_protocol as protocol;

/// Why a command did not succeed, or why the client has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server refused the command. It is not carried out, and a send that is refused is never seen (I3).
    #[error("refused: {0}")]
    Refused(protocol::Error),
    /// The deadline of [`Builder::deadline`](crate::Builder::deadline) passed before a definite answer came.
    #[error("no definite answer before the deadline")]
    Deadline {
        /// Whether it was ever sent: if so, it may have been carried out, or may be later.
        sent: bool,
    },
    /// The server closed the connection with a code that means "never", and there is no other token to try.
    #[error("the server closed for good: {reason} ({code})")]
    Ended {
        /// The close code, see [`starling_protocol::CloseCode`].
        code: u16,
        /// The reason on the wire.
        reason: String,
    },
    /// The server refused the token in the handshake (HTTP 401), and there is no other token to try.
    #[error("the server refused the token")]
    Unauthenticated,
    /// The server does not speak the protocol as this library knows it.
    #[error("not the protocol: {0}")]
    Protocol(String),
    /// The application closed or dropped the client. What was unanswered may or may not be carried out.
    #[error("the client is closed")]
    Closed,
    /// The client was not set up right; nothing was tried.
    #[error("{0}")]
    Config(String),
}

impl Error {
    /// The server's code, where the server refused.
    pub fn code(&self) -> Option<protocol::ErrorCode> {
        match self {
            Self::Refused(error) => Some(error.code),
            _ => None,
        }
    }

    /// Whether the command has failed: it is definitely not carried out, and the client does not try it again. A message
    /// whose send ends otherwise may be stored, or be stored later.
    pub fn means_failed(&self) -> bool {
        match self {
            Self::Refused(error) => !matches!(
                error.code,
                protocol::ErrorCode::Unknown | protocol::ErrorCode::Internal
            ),
            Self::Deadline { sent } => !sent,
            Self::Config(_) => true,
            Self::Ended { .. } | Self::Unauthenticated | Self::Protocol(_) | Self::Closed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ErrorCode;

    #[test]
    fn only_what_is_known_not_to_be_stored_has_failed() {
        for code in ErrorCode::ALL {
            let refused = Error::Refused(protocol::Error::new(*code, ""));
            let open = matches!(code, ErrorCode::Unknown | ErrorCode::Internal);
            assert_eq!(refused.means_failed(), !open, "{code}");
        }
        let ended = Error::Ended {
            code: 4204,
            reason: String::new(),
        };
        for (error, failed) in [
            (Error::Deadline { sent: false }, true),
            (Error::Deadline { sent: true }, false),
            (Error::Config(String::new()), true),
            (Error::Closed, false),
            (Error::Unauthenticated, false),
            (ended, false),
        ] {
            assert_eq!(error.means_failed(), failed, "{error}");
        }
    }
}
