//! What can go wrong.

use std::path::PathBuf;

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The directory, or a file in it, cannot be made or read.
    #[error("cannot use {path}: {error}")]
    Files {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// Another process has it open.
    #[error("{path} is in use by another process{}", process.as_ref().map_or_else(String::new, |id| format!(" ({id})")))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other process, if it has said which it is.
        process: Option<String>,
    },
    /// A newer version of this program has written it.
    #[error(
        "{path} has schema version {found}, and this version of starling knows none after {known}: use the newer one"
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The file is something else.
    #[error("{path} is no store of Starling's")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// SQLite cannot write ahead there: on some file systems that processes of several machines share it does not.
    #[error("{path} is where SQLite cannot keep its log: use a directory of this machine")]
    NoLog {
        /// The file.
        path: PathBuf,
    },
    /// SQLite says so.
    #[error("cannot open {path}: {error}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: rusqlite::Error,
    },
}

/// Why a piece of work failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// What is stored is not what this program stores.
    #[error("cannot read what is stored: {0}")]
    Stored(String),
    #[error("the number {0} cannot be stored")]
    Number(u64),
    #[error("a defect, which the log tells of")]
    Panicked,
}

impl From<serde_json::Error> for WorkError {
    fn from(error: serde_json::Error) -> Self {
        Self::Stored(error.to_string())
    }
}
