//! The ports of `starling-core` on one machine, without any service: SQLite for all that a cluster has in MongoDB, this
//! process for all that it has in Redis.
//!
//! [`Store`] implements the ports that decide. What it relies on:
//!
//! - **One file** (`starling.db`, with SQLite's own files beside it) in WAL mode with `synchronous = FULL`: a commit is
//!   on the disk before it is answered, and before anyone can read it, so what was read is never rolled back.
//! - **One writer.** All writes go to one thread. It takes what has queued up, carries it out in one transaction, each
//!   piece of work within a savepoint of its own, commits once for all, and then answers them all: the more work there
//!   is, the more of it shares a flush of the disk. Readers have connections of their own and wait for nobody.
//! - **One process.** A lock on `lock` keeps a second one out for as long as the first one lives, however it ends.
//! - Every call ends within [`CALL_TIMEOUT`]. A write that was given up may still be carried out: its outcome is
//!   unknown, as the ports say.
//!
//! Architecture invariant: no SQLite call is made on a thread of the asynchronous runtime.
//!
//! # Schema
//!
//! `schema/*.sql`, one file for each version; the version is in the file's `user_version`. A start carries out what is
//! missing, each version in a transaction; a file of a newer version is refused as it is. Bodies of entries and what
//! became of messages are JSON, so that the file can be read with `sqlite3`.
//!
//! # Metrics
//!
//! `starling_sqlite_seconds{operation}` (histogram; failed calls included), `starling_sqlite_errors_total{operation}`,
//! `starling_sqlite_commit_seconds` and `starling_sqlite_commit_writes` (how many writes share a commit).

mod accounts;
mod archive;
mod codec;
mod contacts;
mod directory;
mod effects;
mod entry_log;
mod entry_row;
mod error;
mod event_cursors;
mod open;
mod presence;
mod readers;
mod schema;
mod sign_ins;
mod statistics;
mod store;
mod writer;

pub use error::EmbeddedError;
pub use store::{CALL_TIMEOUT, Store};
pub use writer::WINDOWS;
