//! Errors of connecting, and the driver's errors in words.

use mongodb::error::{Error, ErrorKind, WriteFailure};
use starling_core::ports::Unavailable;

/// Why MongoDB cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MongoError {
    /// A setting is wrong; trying again will not help.
    #[error("the MongoDB settings are wrong: {0}")]
    Settings(String),
    /// The deployment cannot keep the adapter's promises; trying again will not help.
    #[error("this MongoDB deployment will not do: {0}")]
    Deployment(String),
    /// It did not answer in time, or refused; it may later.
    #[error("mongodb is unavailable: {0}")]
    Unavailable(String),
}

impl From<MongoError> for Unavailable {
    fn from(error: MongoError) -> Self {
        match error {
            MongoError::Unavailable(reason) => unavailable(reason),
            other => unavailable(other),
        }
    }
}

/// An [`Unavailable`] of this service.
pub(crate) fn unavailable(reason: impl ToString) -> Unavailable {
    Unavailable::new("mongodb", reason)
}

/// A driver's error in one line. Its own `Display` dumps the server's whole reply, users' texts included.
pub(crate) fn describe(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::Command(command) => format!("{} ({})", command.message, command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => format!("write error {}", write.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => {
            format!("write concern error {} ({})", concern.message, concern.code)
        }
        ErrorKind::InsertMany(many) => {
            let codes: Vec<i32> = many
                .write_errors
                .iter()
                .flatten()
                .map(|write| write.code)
                .collect();
            match &many.write_concern_error {
                Some(concern) => {
                    format!(
                        "write errors {codes:?}, write concern error {} ({})",
                        concern.message, concern.code
                    )
                }
                None => format!("write errors {codes:?}"),
            }
        }
        other => other.to_string(),
    }
}
