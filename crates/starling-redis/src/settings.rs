//! Settings.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use starling_core::ports::RECENT_AT_MOST;

use crate::RedisError;

/// How to reach Redis, and how long things last in it. Start from [`RedisSettings::new`].
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisSettings {
    /// `redis://[user:password@]host[:port][/database]`, `rediss://…` with TLS, and for Redis Cluster
    /// `redis-cluster://[user:password@]host[:port][?node=host:port&node=…]` or `rediss-cluster://…`.
    pub url: String,
    /// Certificates (PEM) of the authorities that are trusted with TLS, instead of the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// How many connections carry commands (in a cluster: to each master). One more carries pub/sub.
    pub connections: usize,
    /// How long a command may take.
    pub command_timeout: Duration,
    /// How long connecting, and each step of the handshake, may take.
    pub connect_timeout: Duration,
    /// How long a lease lasts unless renewed.
    pub lease_ttl: Duration,
    /// How long a lease that was handed to a waiter lasts until it is claimed.
    pub handover_ttl: Duration,
    /// How often a waiter should poll. One that does not within twice this time is forgotten.
    pub poll_interval: Duration,
    /// How long a conversation's counter and head are remembered after the last commit.
    pub seq_ttl: Duration,
    /// How long a route is remembered after the last join.
    pub route_ttl: Duration,
    /// How long a node counts as alive after its last sign of life.
    pub liveness_ttl: Duration,
    /// How long a user's session map is remembered after the last connect.
    pub session_ttl: Duration,
    /// How long a user's offline index is remembered after the last enqueue.
    pub queue_ttl: Duration,
    /// How many conversations a user's offline index holds.
    pub queue_max_conversations: usize,
    /// How many of a conversation's last entries are kept for whoever opens it; 0: none.
    pub recent_max_entries: usize,
    /// How long they are kept after the last one.
    pub recent_ttl: Duration,
    /// How many conversations may wait for a sink of events to be told of them; more are found by and by.
    pub events_max_conversations: usize,
    /// How long they are remembered after the last one.
    pub events_ttl: Duration,
    /// How many messages of pub/sub may wait to be looked at; beyond that they count as missed.
    pub bus_capacity: usize,
}

impl RedisSettings {
    /// The defaults, for the server at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            url: url.into(),
            tls_ca_file: None,
            connections: 2,
            command_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(2),
            lease_ttl: Duration::from_secs(3),
            handover_ttl: Duration::from_millis(200),
            poll_interval: Duration::from_millis(500),
            seq_ttl: Duration::from_secs(7 * DAY),
            route_ttl: Duration::from_secs(DAY),
            liveness_ttl: Duration::from_secs(10),
            session_ttl: Duration::from_secs(DAY),
            queue_ttl: Duration::from_secs(30 * DAY),
            queue_max_conversations: 1000,
            recent_max_entries: RECENT_AT_MOST,
            recent_ttl: Duration::from_secs(7 * DAY),
            events_max_conversations: 200_000,
            events_ttl: Duration::from_secs(7 * DAY),
            bus_capacity: 4096,
        }
    }

    pub(crate) fn check(&self) -> Result<(), RedisError> {
        for (name, duration) in [
            ("command_timeout", self.command_timeout),
            ("connect_timeout", self.connect_timeout),
            ("lease_ttl", self.lease_ttl),
            ("handover_ttl", self.handover_ttl),
            ("poll_interval", self.poll_interval),
            ("seq_ttl", self.seq_ttl),
            ("route_ttl", self.route_ttl),
            ("liveness_ttl", self.liveness_ttl),
            ("session_ttl", self.session_ttl),
            ("queue_ttl", self.queue_ttl),
            ("recent_ttl", self.recent_ttl),
            ("events_ttl", self.events_ttl),
        ] {
            if duration.as_millis() == 0 || i64::try_from(duration.as_millis()).is_err() {
                return Err(RedisError::Settings(format!(
                    "{name} must be at least a millisecond, and finite"
                )));
            }
        }
        for (name, count) in [
            ("connections", self.connections),
            ("queue_max_conversations", self.queue_max_conversations),
            ("events_max_conversations", self.events_max_conversations),
            ("bus_capacity", self.bus_capacity),
        ] {
            if count == 0 {
                return Err(RedisError::Settings(format!("{name} must be at least 1")));
            }
        }
        Ok(())
    }
}

/// Without the URL's password.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("url", &without_password(&self.url))
            .field("tls_ca_file", &self.tls_ca_file)
            .field("connections", &self.connections)
            .field("command_timeout", &self.command_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("lease_ttl", &self.lease_ttl)
            .field("handover_ttl", &self.handover_ttl)
            .field("poll_interval", &self.poll_interval)
            .field("seq_ttl", &self.seq_ttl)
            .field("route_ttl", &self.route_ttl)
            .field("liveness_ttl", &self.liveness_ttl)
            .field("session_ttl", &self.session_ttl)
            .field("queue_ttl", &self.queue_ttl)
            .field("queue_max_conversations", &self.queue_max_conversations)
            .field("recent_max_entries", &self.recent_max_entries)
            .field("recent_ttl", &self.recent_ttl)
            .field("events_max_conversations", &self.events_max_conversations)
            .field("events_ttl", &self.events_ttl)
            .field("bus_capacity", &self.bus_capacity)
            .finish()
    }
}

fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://***{}", &url[..scheme], &url[at..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_printed() {
        for (url, expected) in [
            ("redis://h:1/2", "redis://h:1/2"),
            ("rediss://:p@ss@h:1", "rediss://***@h:1"),
            ("redis-cluster://u:p@h?node=a:1", "redis-cluster://***@h?node=a:1"),
        ] {
            assert_eq!(without_password(url), expected);
            assert!(format!("{:?}", RedisSettings::new(url)).contains(expected));
        }
    }

    #[test]
    fn useless_settings_are_refused() {
        let mut settings = RedisSettings::new("redis://localhost");
        assert!(settings.check().is_ok());
        settings.lease_ttl = Duration::ZERO;
        assert!(settings.check().is_err());
        settings = RedisSettings::new("redis://localhost");
        settings.connections = 0;
        assert!(settings.check().is_err());
    }
}
