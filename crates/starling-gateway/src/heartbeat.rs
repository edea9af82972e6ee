//! When a silent client is pinged, and when it is given up.

use std::time::Duration;

use tokio::time::Instant;

/// What is to be done when the alarm rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Nothing; ring again then.
    Wait(Instant),
    /// Ping the client, and ring again then.
    Ping(Instant),
    /// The client has been silent for two intervals.
    Lost,
}

/// The silence of one client. Frames only move a mark; the alarm is set anew when it rings, so that a busy
/// connection costs one timer in each interval and not one for each frame.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    interval: Duration,
    heard: Instant,
    pinged: bool,
}

impl Heartbeat {
    pub(crate) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            heard: now,
            pinged: false,
        }
    }

    /// When the alarm rings first.
    pub(crate) fn first(&self) -> Instant {
        self.heard + self.interval
    }

    /// A frame of whatever kind has come.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = false;
    }

    /// The alarm rings.
    pub(crate) fn ring(&mut self, now: Instant) -> Beat {
        let (ping_at, lost_at) = (self.heard + self.interval, self.heard + self.interval * 2);
        if now >= lost_at && self.pinged {
            Beat::Lost
        } else if now >= ping_at && !self.pinged {
            self.pinged = true;
            // After a pause of this machine both marks may be in the past: a ping gets its interval all the same.
            Beat::Ping(lost_at.max(now + self.interval))
        } else {
            Beat::Wait(if self.pinged { lost_at } else { ping_at })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_pinged_once_and_then_given_up() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heartbeat = Heartbeat::new(Duration::from_secs(10), start);
        assert_eq!(heartbeat.first(), at(10));
        heartbeat.heard(at(4));
        assert_eq!(heartbeat.ring(at(10)), Beat::Wait(at(14)));
        assert_eq!(heartbeat.ring(at(14)), Beat::Ping(at(24)));
        heartbeat.heard(at(15));
        assert_eq!(heartbeat.ring(at(24)), Beat::Wait(at(25)));
        assert_eq!(heartbeat.ring(at(25)), Beat::Ping(at(35)));
        assert_eq!(heartbeat.ring(at(35)), Beat::Lost);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_the_machine_is_not_the_clients_silence() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Duration::from_secs(10), start);
        let late = start + Duration::from_secs(100);
        assert_eq!(heartbeat.ring(late), Beat::Ping(late + Duration::from_secs(10)));
        assert_eq!(heartbeat.ring(late + Duration::from_secs(10)), Beat::Lost);
    }
}
