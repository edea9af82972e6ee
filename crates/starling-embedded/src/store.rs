//! The handle on the store.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use starling_core::ports::Unavailable;
use tokio::time::{Instant, timeout};

use crate::error::WorkError;
use crate::readers::Readers;
use crate::writer::Writer;

/// As it is called in errors.
pub(crate) const SERVICE: &str = "the store";

/// How long a call takes at most.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// All that is kept, in SQLite. It implements [`starling_core::ports::EntryLog`],
/// [`starling_core::ports::Directory`], [`starling_core::ports::PresenceStore`], [`starling_core::ports::Accounts`],
/// [`starling_core::ports::SignIns`], [`starling_core::ports::ContactBook`], [`starling_core::ports::Statistics`] and
/// [`starling_core::ports::EventCursors`].
///
/// Clones are the same store. It is closed, and another process may open it, once the last one is dropped: the drop
/// waits for the last commit.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// Dropped last but one: the last connection to be closed is that of the writer, which tidies up.
    readers: Readers,
    writer: Writer,
}

impl Store {
    pub(crate) fn new(writer: Writer, readers: Readers) -> Self {
        Self {
            inner: Arc::new(Inner { readers, writer }),
        }
    }

    /// Reads what is committed.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        measured(operation, self.inner.readers.read(work)).await
    }

    /// Writes; returns once it is committed.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        measured(operation, self.inner.writer.write(work)).await
    }
}

async fn measured<T>(
    operation: &'static str,
    call: impl Future<Output = Result<T, Unavailable>>,
) -> Result<T, Unavailable> {
    let began = Instant::now();
    let outcome = timeout(CALL_TIMEOUT, call).await.unwrap_or_else(|_| {
        Err(Unavailable::new(
            SERVICE,
            format!("no answer within {CALL_TIMEOUT:?}"),
        ))
    });
    metrics::histogram!("starling_sqlite_seconds", "operation" => operation).record(began.elapsed());
    if let Err(error) = &outcome {
        metrics::counter!("starling_sqlite_errors_total", "operation" => operation).increment(1);
        tracing::warn!(operation, %error, "a call failed");
    }
    outcome
}
