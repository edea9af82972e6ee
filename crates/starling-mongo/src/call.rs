//! What all calls have in common: a time limit, a latency, an error count.

use std::future::Future;
use std::time::Duration;

use mongodb::error::Error;
use starling_core::ports::Unavailable;
use tokio::time::{Instant, timeout};

use crate::Mongo;
use crate::error::{describe, unavailable};

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The driver says so.
    Driver(Error),
    /// The server replied, but not with what was asked for.
    Reply(String),
    /// No answer within the limit.
    TimedOut(Duration),
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl From<CallError> for Unavailable {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Driver(error) => unavailable(describe(&error)),
            CallError::Reply(reason) => unavailable(reason),
            CallError::TimedOut(limit) => unavailable(format!("no answer within {limit:?}")),
        }
    }
}

/// Runs a call under its limit.
///
/// The future is dropped when its time is up, against the driver's general advice to poll on in a task of its own:
/// a call that is left running would keep its connection, and would be retried by the driver long after the caller
/// was told that its outcome is unknown. The driver closes a connection that is dropped with a command under way.
pub(crate) async fn call<T>(
    operation: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, CallError>> + Send,
) -> Result<T, CallError> {
    let start = Instant::now();
    let result = timeout(limit, work)
        .await
        .unwrap_or(Err(CallError::TimedOut(limit)));
    metrics::histogram!("starling_mongo_seconds", "operation" => operation)
        .record(start.elapsed().as_secs_f64());
    result
}

/// Counts a call that ended as unavailable or unknown.
pub(crate) fn count_error(operation: &'static str) {
    metrics::counter!("starling_mongo_errors_total", "operation" => operation).increment(1);
}

/// As [`call`], for calls whose only error is [`Unavailable`].
pub(crate) async fn call_or_unavailable<T>(
    operation: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, CallError>> + Send,
) -> Result<T, Unavailable> {
    call(operation, limit, work).await.map_err(|error| {
        count_error(operation);
        let unavailable = Unavailable::from(error);
        tracing::debug!(operation, reason = %unavailable.reason, "a mongodb call failed");
        unavailable
    })
}

impl Mongo {
    /// A call that reads, within its limit.
    pub(crate) async fn reads<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, CallError>> + Send,
    ) -> Result<T, Unavailable> {
        call_or_unavailable(operation, self.settings.read_timeout, work).await
    }

    /// A call that may write, within its limit.
    pub(crate) async fn writes<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, CallError>> + Send,
    ) -> Result<T, Unavailable> {
        call_or_unavailable(operation, self.settings.write_timeout, work).await
    }
}
