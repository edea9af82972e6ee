//! What the server has to say to one client besides the core's frames: answers, histories.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::parser::Frame;

/// The queue does not hold it.
#[derive(Debug)]
pub(crate) struct Full;

/// Frames for the writer: bounded in bytes, as the outbox is.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<(VecDeque<Frame>, usize)>,
    filled: Notify,
    max_bytes: usize,
}

impl Queue {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            filled: Notify::new(),
            max_bytes,
        }
    }

    pub(crate) fn push(&self, frame: Frame) -> Result<(), Full> {
        let mut state = self.state.lock();
        let (frames, bytes) = &mut *state;
        if *bytes + frame.len() > self.max_bytes && !frames.is_empty() {
            return Err(Full);
        }
        *bytes += frame.len();
        frames.push_back(frame);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// All that is queued now.
    pub(crate) fn take(&self) -> VecDeque<Frame> {
        std::mem::take(&mut *self.state.lock()).0
    }

    /// Waits until something may be queued. Cancel-safe.
    pub(crate) async fn filled(&self) {
        if self.state.lock().0.is_empty() {
            self.filled.notified().await;
        }
    }
}
