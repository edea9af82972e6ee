//! The connections from one node to one service, all of which fare alike.

use std::io::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What a link does to the traffic on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Weather {
    /// It passes.
    #[default]
    Clear,
    /// Connections are reset, and new ones are, too, as soon as they are there.
    Cut,
    /// Connections stay open, new ones are taken, and nothing arrives. What was held back arrives once the link is
    /// clear again, as from a network that was cut and then sends again.
    BlackHole,
    /// Everything arrives so much later, either way.
    Delayed(Duration),
    /// Requests arrive and replies do not. A connection that lost one is reset in the end: no network leaves bytes
    /// out of a stream.
    RepliesDropped,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Reply,
}

/// A link, and how often its weather has struck.
#[derive(Debug)]
pub(crate) struct Link {
    weather: watch::Sender<Weather>,
    struck: AtomicU64,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            weather: watch::Sender::new(Weather::Clear),
            struck: AtomicU64::new(0),
        }
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// What the weather has done since the start: connections reset, pieces held back, delayed or dropped.
    pub(crate) fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    pub(super) fn strike(&self) {
        self.struck.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn is_cut(&self) -> bool {
        *self.weather.borrow() == Weather::Cut
    }

    /// Waits until a piece that arrived then may go on. False: it must not. An error ends the connection.
    pub(super) async fn pass(
        &self,
        direction: Direction,
        arrived: Instant,
        lost: &AtomicBool,
    ) -> Result<bool> {
        let mut weather = self.weather.subscribe();
        let mut held = false;
        loop {
            let now = *weather.borrow_and_update();
            match now {
                Weather::RepliesDropped if direction == Direction::Reply => {
                    self.strike();
                    lost.store(true, Ordering::Relaxed);
                    return Ok(false);
                }
                // A later reply would be taken for the one that was lost.
                _ if direction == Direction::Reply && lost.load(Ordering::Relaxed) => return Err(reset()),
                Weather::Clear | Weather::Cut | Weather::RepliesDropped => return Ok(true),
                Weather::Delayed(by) => {
                    self.strike();
                    sleep_until(arrived + by).await;
                    return Ok(true);
                }
                Weather::BlackHole => {
                    if !held {
                        self.strike();
                    }
                    held = true;
                    weather.changed().await.map_err(|_| reset())?;
                }
            }
        }
    }

    /// Returns when a connection must be reset: the link is cut, or replies pass again and this one lost some.
    pub(super) async fn broken(&self, lost: &AtomicBool) {
        let mut weather = self.weather.subscribe();
        let broken = |now: &Weather| match now {
            Weather::Cut => true,
            Weather::RepliesDropped => false,
            _ => lost.load(Ordering::Relaxed),
        };
        // The sender lives as long as `self`.
        let _ = weather.wait_for(broken).await;
        self.strike();
    }
}

fn reset() -> Error {
    Error::from(ErrorKind::ConnectionReset)
}
