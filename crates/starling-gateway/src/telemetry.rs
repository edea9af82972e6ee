//! What the gateway counts. The handles are made once, so install the recorder before the [`crate::Gateway`].

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// How a connection attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Authenticated and let in.
    Accepted,
    /// No valid token, or none in time.
    Unauthenticated,
    /// The user has as many connections as are allowed.
    TooMany,
    /// Not a WebSocket handshake that is understood, or no known subprotocol.
    BadHandshake,
    /// The node could not, or has too many unauthenticated connections.
    Unavailable,
    /// The client left before it was authenticated.
    Left,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unauthenticated => "unauthenticated",
            Self::TooMany => "too_many_connections",
            Self::BadHandshake => "bad_handshake",
            Self::Unavailable => "unavailable",
            Self::Left => "left",
        }
    }

    /// Counts it.
    pub(crate) fn record(self) {
        counter!("starling_connections_total", "outcome" => self.label()).increment(1);
    }
}

/// Counters of the hot paths.
pub(crate) struct Counters {
    connections: Gauge,
    pub(crate) frames_in: Counter,
    pub(crate) frames_out: Counter,
}

impl Counters {
    pub(crate) fn new() -> Self {
        describe_gauge!("starling_connections", "authenticated connections of this node");
        describe_counter!("starling_connections_total", "connection attempts by outcome");
        describe_counter!("starling_frames_in_total", "frames read from native clients");
        describe_counter!("starling_frames_out_total", "frames written to native clients");
        describe_counter!(
            "starling_closes_total",
            "ended connections by close code, or `client` or `lost`"
        );
        describe_counter!("starling_accept_errors_total", "failures to accept a connection");
        Self {
            connections: gauge!("starling_connections"),
            frames_in: counter!("starling_frames_in_total"),
            frames_out: counter!("starling_frames_out_total"),
        }
    }

    /// Counts a connection until the guard is dropped.
    pub(crate) fn open(&self) -> OpenGuard {
        self.connections.increment(1.0);
        OpenGuard(self.connections.clone())
    }
}

/// One open connection in the gauge.
pub(crate) struct OpenGuard(Gauge);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
