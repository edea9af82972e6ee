//! A session's queue of outgoing frames: bounded in bytes, never waited for by fan-out.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use starling_protocol::CloseCode;
use tokio::sync::Notify;

use crate::SharedFrame;

/// The queue between the engine and the one writer of a connection.
///
/// Pushing never waits: a reader that is too slow overflows its bound, and the outbox closes with
/// [`CloseCode::SlowConsumer`] (I10: memory held for any one client is bounded).
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Notify,
    /// Wakes those who wait for room, and those who wait for the end.
    drained: Notify,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Arc<SharedFrame>>,
    bytes: usize,
    closed: Option<CloseCode>,
    undecided: bool,
}

/// What the writer is to do next.
#[derive(Debug)]
pub enum Drained {
    /// Write these frames.
    Frames(Vec<Arc<SharedFrame>>),
    /// Write nothing more but this close code, and end.
    Closed(CloseCode),
}

impl Outbox {
    /// An empty queue that holds at most `max_bytes` (and always at least one frame).
    pub fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            max_bytes,
        })
    }

    /// Queues a frame. A frame that does not fit closes the outbox; a closed outbox drops what it is given.
    pub fn push(&self, frame: Arc<SharedFrame>) {
        self.push_each(std::iter::once(frame));
    }

    /// Queues frames one after the other, and wakes the writer once.
    pub fn push_all(&self, frames: &[Arc<SharedFrame>]) {
        self.push_each(frames.iter().cloned());
    }

    /// Queues a frame that may be done without, where half of the bound is free; otherwise drops it. So signals
    /// never cost anyone his connection.
    pub(crate) fn push_if_roomy(&self, frame: &Arc<SharedFrame>) {
        if self.is_roomy_with(frame.weight()) {
            self.push(frame.clone());
        } else {
            metrics::counter!("starling_signals_dropped_total", "reason" => "slow").increment(1);
        }
    }

    fn push_each(&self, frames: impl Iterator<Item = Arc<SharedFrame>>) {
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return;
        }
        for frame in frames {
            let weight = frame.weight();
            if state.bytes + weight > self.max_bytes && !state.frames.is_empty() {
                metrics::counter!("starling_slow_consumers_total").increment(1);
                self.close_locked(&mut state, CloseCode::SlowConsumer);
                // What is queued cannot be delivered in time: let the memory go at once.
                state.frames = VecDeque::new();
                state.bytes = 0;
                break;
            }
            state.bytes += weight;
            state.frames.push_back(frame);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Closes the outbox: what is queued is still written, then the close code. The first code stays.
    pub fn close(&self, code: CloseCode) {
        let mut state = self.state.lock();
        state.undecided |= code == CloseCode::OutcomeUnknown;
        self.close_locked(&mut state, code);
        drop(state);
        self.filled.notify_one();
    }

    /// Whether the outcome of something that came by this connection is not known, even if the connection was over
    /// before that turned out: whatever came behind it must not overtake it.
    pub(crate) fn is_undecided(&self) -> bool {
        self.state.lock().undecided
    }

    fn close_locked(&self, state: &mut State, code: CloseCode) {
        if state.closed.is_none() {
            state.closed = Some(code);
            self.drained.notify_waiters();
        }
    }

    /// The close code, once closed.
    pub fn closed(&self) -> Option<CloseCode> {
        self.state.lock().closed
    }

    /// Waits until the outbox is closed. Cancel-safe.
    pub async fn until_closed(&self) -> CloseCode {
        loop {
            let drained = self.drained.notified();
            if let Some(code) = self.closed() {
                return code;
            }
            drained.await;
        }
    }

    /// Whether at most half of the bound would be in use with so many bytes more; the rest is for what cannot wait.
    pub(crate) fn is_roomy_with(&self, bytes: usize) -> bool {
        (self.state.lock().bytes + bytes) * 2 <= self.max_bytes
    }

    /// Waits until less than half of the bound is in use, for producers that can wait (reads of the log, never
    /// fan-out). `false` if the outbox is closed. Cancel-safe.
    pub async fn until_roomy(&self) -> bool {
        loop {
            let drained = self.drained.notified();
            {
                let state = self.state.lock();
                if state.closed.is_some() {
                    return false;
                }
                if state.bytes * 2 < self.max_bytes {
                    return true;
                }
            }
            drained.await;
        }
    }

    /// Takes all that is queued, waiting for something. After [`Drained::Closed`] it must not be called again.
    /// Cancel-safe: nothing is taken before it returns. For one writer only.
    pub async fn drain(&self) -> Drained {
        loop {
            {
                let mut state = self.state.lock();
                if !state.frames.is_empty() {
                    let frames = std::mem::take(&mut state.frames).into();
                    state.bytes = 0;
                    drop(state);
                    self.drained.notify_waiters();
                    return Drained::Frames(frames);
                }
                if let Some(code) = state.closed {
                    return Drained::Closed(code);
                }
            }
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use starling_protocol::Reply;

    use super::*;

    fn frame() -> Arc<SharedFrame> {
        SharedFrame::reply(1, Ok(Reply::Done {}))
    }

    #[tokio::test]
    async fn a_full_outbox_closes_and_frees_its_memory() {
        let outbox = Outbox::new(600);
        outbox.push(frame());
        outbox.push(frame());
        assert_eq!(outbox.closed(), None);
        outbox.push(frame());
        assert_eq!(outbox.closed(), Some(CloseCode::SlowConsumer));
        assert!(matches!(
            outbox.drain().await,
            Drained::Closed(CloseCode::SlowConsumer)
        ));
    }

    #[tokio::test]
    async fn a_closed_outbox_still_writes_what_is_queued() {
        let outbox = Outbox::new(1 << 20);
        outbox.push(frame());
        outbox.close(CloseCode::GoingAway);
        outbox.close(CloseCode::TokenExpired);
        assert!(matches!(outbox.drain().await, Drained::Frames(frames) if frames.len() == 1));
        assert!(matches!(
            outbox.drain().await,
            Drained::Closed(CloseCode::GoingAway)
        ));
        assert!(!outbox.until_roomy().await);
    }
}
