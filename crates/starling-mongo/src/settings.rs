//! Settings of the adapter.

use std::fmt;
use std::time::Duration;

use crate::MongoError;

/// How to reach MongoDB, and how long to wait for it.
///
/// Options in the URI are respected, except those that the adapter's promises rest on: read and write concern,
/// read preference and retries are always set as the crate's documentation says.
#[derive(Clone, PartialEq, Eq)]
pub struct MongoSettings {
    /// Connection string. Its path names the database; `starling` if it has none.
    pub uri: String,
    /// How long a read may take, finding a primary included.
    pub read_timeout: Duration,
    /// How long a write may take, finding a primary and the driver's retry included.
    pub write_timeout: Duration,
    /// How long the primary waits for a majority before it reports that there was none (`wtimeout`). Shorter than
    /// `write_timeout`, so that its report arrives.
    pub majority_timeout: Duration,
    /// How long a majority may take to answer a ping.
    pub ping_timeout: Duration,
    /// How long [`Mongo::connect`](crate::Mongo::connect) may take, the creation of indexes included.
    pub startup_timeout: Duration,
    /// Connections to each server that are kept open.
    pub min_pool_size: u32,
    /// Connections to each server at most.
    pub max_pool_size: u32,
}

impl MongoSettings {
    /// The defaults, for this connection string.
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            read_timeout: Duration::from_secs(3),
            write_timeout: Duration::from_secs(5),
            majority_timeout: Duration::from_secs(4),
            ping_timeout: Duration::from_millis(1_500),
            startup_timeout: Duration::from_secs(30),
            min_pool_size: 2,
            max_pool_size: 32,
        }
    }

    /// Checks what can be checked without a connection.
    ///
    /// # Errors
    /// [`MongoError::Settings`] with the rule that is broken.
    pub fn check(&self) -> Result<(), MongoError> {
        let broken = |rule: &str| Err(MongoError::Settings(rule.to_owned()));
        if self.majority_timeout.as_millis() == 0 || self.majority_timeout >= self.write_timeout {
            return broken("the majority timeout must be positive and shorter than the write timeout");
        }
        if self.read_timeout.is_zero() || self.ping_timeout.is_zero() || self.startup_timeout.is_zero() {
            return broken("timeouts must be positive");
        }
        if self.max_pool_size == 0 || self.min_pool_size > self.max_pool_size {
            return broken(
                "the pool must hold at least one connection, and its minimum must not exceed its maximum",
            );
        }
        Ok(())
    }
}

impl fmt::Debug for MongoSettings {
    /// The URI may hold a password and is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoSettings")
            .field("read_timeout", &self.read_timeout)
            .field("write_timeout", &self.write_timeout)
            .field("majority_timeout", &self.majority_timeout)
            .field("ping_timeout", &self.ping_timeout)
            .field("startup_timeout", &self.startup_timeout)
            .field("min_pool_size", &self.min_pool_size)
            .field("max_pool_size", &self.max_pool_size)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_settings_are_refused_and_the_password_is_never_shown() {
        let good = MongoSettings::new("mongodb://starling:hunter2@db/");
        let check = |settings: MongoSettings, good: bool| {
            assert_eq!(settings.check().is_ok(), good, "{settings:?}");
            assert!(!format!("{settings:?}").contains("hunter2"));
        };
        check(good.clone(), true);
        check(
            MongoSettings {
                majority_timeout: good.write_timeout,
                ..good.clone()
            },
            false,
        );
        check(
            MongoSettings {
                majority_timeout: Duration::ZERO,
                ..good.clone()
            },
            false,
        );
        check(
            MongoSettings {
                read_timeout: Duration::ZERO,
                ..good.clone()
            },
            false,
        );
        check(
            MongoSettings {
                max_pool_size: 0,
                min_pool_size: 0,
                ..good.clone()
            },
            false,
        );
        check(
            MongoSettings {
                max_pool_size: 1,
                min_pool_size: 2,
                ..good
            },
            false,
        );
    }
}
