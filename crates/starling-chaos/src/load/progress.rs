//! How far the load has come, for those who wait for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Acknowledged sends, in all and by conversation.
#[derive(Debug)]
pub(crate) struct Progress {
    began: Instant,
    acknowledged: AtomicU64,
    refused: AtomicU64,
    /// For each conversation, when the latest of its acknowledged sends was made, in nanoseconds from the beginning.
    latest: Vec<AtomicU64>,
}

impl Progress {
    pub(crate) fn new(conversations: usize) -> Self {
        Self {
            began: Instant::now(),
            acknowledged: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            latest: (0..conversations).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(crate) fn acknowledge(&self, conversation: usize, made: Instant) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        self.latest[conversation].fetch_max(self.nanos(made), Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Sends that were refused so far.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Waits until every conversation has acknowledged a send that was made after `since`, and tells how long after
    /// `since` that was. `None`: not within the time.
    pub(crate) async fn recovered(&self, since: Instant, within: Duration) -> Option<Duration> {
        let deadline = Instant::now() + within;
        let since_nanos = self.nanos(since);
        loop {
            if self
                .latest
                .iter()
                .all(|latest| latest.load(Ordering::Relaxed) > since_nanos)
            {
                return Some(since.elapsed());
            }
            if Instant::now() >= deadline {
                return None;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }
}
