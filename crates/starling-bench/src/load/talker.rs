//! One user: sends, counts acknowledgements and receipts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::{FutureExt, SinkExt, StreamExt};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use super::{Clock, Pace, Tally, is_over};
use crate::socket::Socket;
use crate::wire::{Incoming, Wire, stamped};

/// How often a user asks after the end whether everyone has everything.
const ASK: Duration = Duration::from_millis(50);

/// One user of a load, with a connection.
pub(super) struct Talker<W> {
    pub(super) wire: W,
    pub(super) socket: Socket,
    pub(super) conversation: String,
    pub(super) user: String,
    /// `None` only listens.
    pub(super) pace: Option<Pace>,
    /// Whose turn this is among so many, where all of them talk at one rate.
    pub(super) turn: u64,
    pub(super) turns: u64,
    pub(super) clock: Clock,
    /// Sends of all talkers that are not acknowledged yet.
    pub(super) open: Arc<AtomicU64>,
}

impl<W: Wire> Talker<W> {
    pub(super) async fn run(mut self) -> Result<Tally> {
        let user = self.user.clone();
        self.talk().await.with_context(|| format!("user {user}"))
    }

    async fn talk(&mut self) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut unanswered = HashMap::new();
        let mut next = 0;
        sleep_until(self.clock.origin).await;
        if let Some(Pace::InFlight(sends)) = self.pace {
            for _ in 0..sends {
                self.send(&mut next, &mut unanswered).await?;
            }
            self.socket.flush().await?;
        }
        let mut due = self.first_due();
        loop {
            let alarm = due.unwrap_or_else(|| self.clock.end.max(Instant::now() + ASK));
            tokio::select! {
                message = self.socket.next() => {
                    let mut message = message;
                    let mut dirty = false;
                    // All that has arrived already is of this moment.
                    let now = Instant::now();
                    loop {
                        let arrived = message.context("the connection ended")??;
                        dirty |= self.take(&arrived, now, &mut next, &mut unanswered, &mut tally).await?;
                        match self.socket.next().now_or_never() {
                            Some(more) => message = more,
                            None => break,
                        }
                    }
                    if dirty {
                        self.socket.flush().await?;
                    }
                }
                () = sleep_until(alarm) => {
                    if let Some(at) = due {
                        self.send(&mut next, &mut unanswered).await?;
                        self.socket.flush().await?;
                        due = self.next_due(at);
                    }
                }
            }
            if due.is_none() && Instant::now() >= self.clock.end && is_over(&self.open, &self.clock)? {
                // Every acknowledged message is on its way by now; the last ones need a moment more.
                return self.settle(tally).await;
            }
        }
    }

    /// Reads on until nothing more comes.
    async fn settle(&mut self, mut tally: Tally) -> Result<Tally> {
        let (mut next, mut unanswered) = (0, HashMap::new());
        while let Ok(message) = tokio::time::timeout(ASK * 20, self.socket.next()).await {
            let message = message.context("the connection ended")??;
            self.take(&message, Instant::now(), &mut next, &mut unanswered, &mut tally)
                .await?;
        }
        Ok(tally)
    }

    /// Takes a message in; `true` if something is to be flushed.
    async fn take(
        &mut self,
        message: &Message,
        now: Instant,
        next: &mut u64,
        unanswered: &mut HashMap<u64, Instant>,
        tally: &mut Tally,
    ) -> Result<bool> {
        match self.wire.read(message)? {
            Incoming::Acknowledged(number) => {
                let Some(sent) = unanswered.remove(&number) else {
                    return Ok(false);
                };
                tally.stored += 1;
                if self.clock.counts(now) {
                    tally.acknowledged += 1;
                }
                if self.clock.counts(sent) {
                    tally.acknowledgements.note(now - sent);
                }
                let again = matches!(self.pace, Some(Pace::InFlight(_))) && now < self.clock.end;
                if again {
                    self.send(next, unanswered).await?;
                }
                // After the next one is counted, so that the sum is never 0 in between.
                self.open.fetch_sub(1, Ordering::AcqRel);
                Ok(again)
            }
            Incoming::Delivered(stamp) => {
                tally.received += 1;
                if self.clock.counts(now) {
                    tally.delivered += 1;
                }
                let sent = self.clock.stamped_at(stamp);
                if self.clock.counts(sent) {
                    tally.deliveries.note(now - sent);
                }
                Ok(false)
            }
            Incoming::Answer(answer) => {
                self.socket.feed(answer).await?;
                Ok(true)
            }
            Incoming::Other => Ok(false),
        }
    }

    /// Feeds one send; the caller flushes.
    async fn send(&mut self, next: &mut u64, unanswered: &mut HashMap<u64, Instant>) -> Result<()> {
        *next += 1;
        let now = Instant::now();
        let text = stamped(self.clock.stamp(now));
        let message = self.wire.send(&self.conversation, &self.user, *next, &text);
        self.open.fetch_add(1, Ordering::AcqRel);
        unanswered.insert(*next, now);
        Ok(self.socket.feed(message).await?)
    }

    fn first_due(&self) -> Option<Instant> {
        match self.pace {
            Some(Pace::Offered(rate)) => {
                Some(self.clock.origin + Duration::from_secs_f64(self.turn as f64 / rate as f64))
            }
            _ => None,
        }
    }

    fn next_due(&self, last: Instant) -> Option<Instant> {
        match self.pace {
            Some(Pace::Offered(rate)) => {
                let next = last + Duration::from_secs_f64(self.turns as f64 / rate as f64);
                (next < self.clock.end).then_some(next)
            }
            _ => None,
        }
    }
}
