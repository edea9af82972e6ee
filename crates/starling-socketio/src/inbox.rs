//! What a client has said and nobody has carried out yet: bounded, in order.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::decoder::Event;

/// Of an event besides its bytes.
const OVERHEAD: usize = 128;

/// The client says more than is carried out.
#[derive(Debug)]
pub(crate) struct Full;

/// The queue between the engine, which cannot wait, and the one reader of a namespace.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    filled: Notify,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<(Event, usize)>,
    bytes: usize,
    closed: bool,
}

impl Inbox {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            filled: Notify::new(),
            max_bytes,
        }
    }

    /// Queues an event of so many bytes.
    pub(crate) fn push(&self, event: Event, bytes: usize) -> Result<(), Full> {
        let mut state = self.state.lock();
        let weight = bytes + OVERHEAD;
        if state.bytes + weight > self.max_bytes && !state.events.is_empty() {
            return Err(Full);
        }
        if !state.closed {
            state.bytes += weight;
            state.events.push_back((event, weight));
        }
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// The client is gone, or has left the namespace. What is queued is dropped.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        *state = State {
            closed: true,
            ..State::default()
        };
        drop(state);
        self.filled.notify_one();
    }

    /// The next event; `None` once closed. Cancel-safe. For one reader only.
    pub(crate) async fn next(&self) -> Option<Event> {
        loop {
            {
                let mut state = self.state.lock();
                if let Some((event, weight)) = state.events.pop_front() {
                    state.bytes -= weight;
                    return Some(event);
                }
                if state.closed {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn event(name: &str) -> Event {
        Event {
            name: name.into(),
            payload: Value::Null,
            ack: None,
        }
    }

    #[tokio::test]
    async fn events_wait_in_order_and_within_bounds() {
        let inbox = Inbox::new(2 * (OVERHEAD + 10));
        inbox.push(event("a"), 10).unwrap();
        inbox.push(event("b"), 10).unwrap();
        assert!(inbox.push(event("c"), 10).is_err());
        assert_eq!(inbox.next().await.unwrap().name, "a");
        inbox.push(event("c"), 10).unwrap();
        assert_eq!(inbox.next().await.unwrap().name, "b");
        inbox.close();
        assert!(inbox.next().await.is_none());
    }
}
