//! What is counted. The handles are made once, so install the recorder before [`crate::SocketIo`].

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Why a client is not let in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refusal {
    /// It speaks an Engine.IO before 4.
    OldProtocol,
    /// No valid token.
    Unauthenticated,
    /// The user has as many connections as are allowed.
    TooMany,
    /// There is no such namespace.
    Namespace,
    /// The node cannot now.
    Unavailable,
}

impl Refusal {
    /// Counts it.
    pub(crate) fn record(self) {
        let reason = match self {
            Self::OldProtocol => "old_protocol",
            Self::Unauthenticated => "unauthenticated",
            Self::TooMany => "too_many_connections",
            Self::Namespace => "namespace",
            Self::Unavailable => "unavailable",
        };
        counter!("starling_socketio_refused_total", "reason" => reason).increment(1);
    }
}

/// Counters of the hot paths.
pub(crate) struct Counters {
    connections: Gauge,
    pub(crate) events_in: Counter,
    pub(crate) frames_out: Counter,
    pub(crate) recovered: Counter,
}

impl Counters {
    pub(crate) fn new() -> Self {
        describe_gauge!(
            "starling_socketio_connections",
            "Socket.IO clients in a namespace of this node"
        );
        describe_counter!(
            "starling_socketio_refused_total",
            "Socket.IO clients that were not let in, by reason"
        );
        describe_counter!(
            "starling_socketio_closes_total",
            "ended Socket.IO clients by close code, or `client` or `lost`"
        );
        describe_counter!("starling_socketio_events_in_total", "events of Socket.IO clients");
        describe_counter!(
            "starling_socketio_frames_out_total",
            "packets to Socket.IO clients"
        );
        describe_counter!(
            "starling_socketio_recovered_total",
            "Socket.IO clients that went on where they had been"
        );
        Self {
            connections: gauge!("starling_socketio_connections"),
            events_in: counter!("starling_socketio_events_in_total"),
            frames_out: counter!("starling_socketio_frames_out_total"),
            recovered: counter!("starling_socketio_recovered_total"),
        }
    }

    /// Counts a client until the guard is dropped.
    pub(crate) fn open(&self) -> OpenGuard {
        self.connections.increment(1.0);
        OpenGuard(self.connections.clone())
    }
}

/// One client in the gauge.
pub(crate) struct OpenGuard(Gauge);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
