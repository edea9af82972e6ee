//! Connections to read with, on threads that may block.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use starling_core::ports::Unavailable;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::WorkError;
use crate::store::SERVICE;

/// As many reads at a time as there are connections; more wait.
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

/// A connection on loan. It goes back also where its borrower panics.
struct Loan {
    /// Taken by the drop.
    db: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
    /// Given back after the connection.
    _permit: OwnedSemaphorePermit,
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.idle.lock().extend(self.db.take());
    }
}

impl Readers {
    pub(crate) fn new(connections: Vec<Connection>) -> Self {
        Self {
            free: Arc::new(Semaphore::new(connections.len())),
            idle: Arc::new(Mutex::new(connections)),
        }
    }

    /// Reads. All that `work` reads is of one moment.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let failed = |reason: &dyn ToString| Unavailable::new(SERVICE, reason.to_string());
        let permit = Arc::clone(&self.free).acquire_owned().await;
        let permit = permit.map_err(|closed| failed(&closed))?;
        let idle = Arc::clone(&self.idle);
        let read = tokio::task::spawn_blocking(move || {
            let db = idle.lock().pop();
            let loan = Loan {
                db,
                idle,
                _permit: permit,
            };
            let Some(db) = &loan.db else {
                return Err(WorkError::Stored("there is no connection".to_owned()));
            };
            let transaction = db.unchecked_transaction()?;
            let outcome = work(&transaction)?;
            transaction.commit()?;
            Ok(outcome)
        });
        match read.await {
            Ok(outcome) => outcome.map_err(|error| failed(&error)),
            Err(panicked) => Err(failed(&panicked)),
        }
    }
}
