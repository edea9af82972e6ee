//! What an operator may change about the gateway, with the documented defaults.

use std::time::Duration;

use ipnet::IpNet;

/// The gateway's settings.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// How long a connection that brought no token may take to send one.
    pub auth_timeout: Duration,
    /// Connections of this node that may be without authentication at the same time.
    pub max_pending: usize,
    /// Silence of the client after which it is pinged; after twice as long the connection ends.
    pub heartbeat: Duration,
    /// How long one write to the client may wait for room.
    pub write_timeout: Duration,
    /// How long a closing connection may take to answer the close frame.
    pub close_timeout: Duration,
    /// Bytes that are queued for a client before it counts as too slow.
    pub outbox_bytes: usize,
    /// Malformed frames after which a client is let go.
    pub max_malformed: u32,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            auth_timeout: Duration::from_secs(10),
            max_pending: 1_000,
            heartbeat: Duration::from_secs(25),
            write_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(2),
            outbox_bytes: 1 << 20,
            max_malformed: 20,
            trusted_proxies: Vec::new(),
        }
    }
}
