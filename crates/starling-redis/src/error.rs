//! What can go wrong.

use starling_core::ports::Unavailable;

/// Why something could not be done with Redis.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// A setting is of no use.
    #[error("redis settings: {0}")]
    Settings(String),
    /// The certificates for TLS cannot be used.
    #[error("redis tls: {0}")]
    Tls(String),
    /// The first connection failed.
    #[error("redis cannot be reached: {0}")]
    Connect(String),
    /// No connection is up, or none was answered lately: nothing was sent.
    #[error("redis does not answer")]
    Down,
    /// A command failed. If it was sent, whether it was carried out is unknown.
    #[error("redis {operation}: {reason}")]
    Command {
        /// Which.
        operation: &'static str,
        /// What fred or Redis said.
        reason: String,
    },
}

impl From<RedisError> for Unavailable {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Down => Unavailable::new("redis", "not connected, or not answering"),
            RedisError::Command { operation, reason } => {
                Unavailable::new("redis", format_args!("{operation}: {reason}"))
            }
            other => Unavailable::new("redis", other),
        }
    }
}
