//! The keys of an outside issuer, as it publishes them (RFC 7517).
//!
//! They are fetched now and then, and at once where a token names a key that is not known, but not more often than every
//! few seconds: tokens with made-up keys must not become requests. While the issuer cannot be reached, what it published
//! last counts. What it does not publish any more is not believed any more.
//!
//! Only public keys are taken, each for the one algorithm of its kind: a symmetric key in the set is not looked at, so
//! no token is ever checked with HS256 here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use arc_swap::ArcSwapOption;
use axum::http::Request;
use http_body_util::Full;
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::Jwk;
use serde_json::Value;
use starling_protocol::{Error, ErrorCode};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use url::Url;

use super::PublicKey;
use crate::outside::Outside;

const TIMEOUT: Duration = Duration::from_secs(5);
/// Between two fetches that tokens with unknown keys bring about.
pub(crate) const COOLDOWN: Duration = Duration::from_secs(10);
const MAX_BYTES: usize = 256 << 10;
const MAX_KEYS: usize = 100;

/// An outside issuer's keys, kept up to date for as long as this is held.
pub(crate) struct Jwks {
    shared: Arc<Shared>,
    upkeep: AbortHandle,
}

struct Shared {
    url: Url,
    outside: Outside,
    cooldown: Duration,
    keys: ArcSwapOption<Vec<NamedKey>>,
    /// When the last fetch began; held while one is under way.
    fetched: Mutex<Option<Instant>>,
}

struct NamedKey {
    kid: Option<String>,
    key: PublicKey,
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks").finish_non_exhaustive()
    }
}

impl Drop for Jwks {
    fn drop(&mut self) {
        self.upkeep.abort();
    }
}

impl Jwks {
    /// Begins to fetch from `url`, at once and every `refresh`. Must be called within a runtime.
    ///
    /// # Errors
    /// Where there is no client to be had.
    pub(crate) fn start(url: Url, refresh: Duration, cooldown: Duration) -> Result<Self> {
        let shared = Arc::new(Shared {
            url,
            outside: Outside::new(TIMEOUT)?,
            cooldown,
            keys: ArcSwapOption::empty(),
            fetched: Mutex::default(),
        });
        let upkeep = tokio::spawn(upkeep(shared.clone(), refresh)).abort_handle();
        Ok(Self { shared, upkeep })
    }

    /// The key that a token names. Where it names none, the only one there is for the algorithm.
    ///
    /// # Errors
    /// `unauthenticated`: there is no such key; `unavailable`: no keys could be fetched so far.
    pub(super) async fn key(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<PublicKey, Error> {
        if let Some(key) = self.shared.find(kid, algorithm) {
            return Ok(key);
        }
        self.shared.fetch_again().await;
        match self.shared.find(kid, algorithm) {
            Some(key) => Ok(key),
            None if self.shared.keys.load().is_none() => Err(Error::new(
                ErrorCode::Unavailable,
                "the keys of the token's issuer cannot be fetched now",
            )),
            None => Err(Error::new(
                ErrorCode::Unauthenticated,
                "the token is signed with a key that its issuer does not publish",
            )),
        }
    }
}

impl Shared {
    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<PublicKey> {
        let keys = self.keys.load();
        let mut fitting = keys.as_deref()?.iter().filter(|named| {
            named.key.algorithm == algorithm && (kid.is_none() || named.kid.as_deref() == kid)
        });
        let found = fitting.next()?;
        // Which of several is meant nobody can say.
        fitting.next().is_none().then(|| found.key.clone())
    }

    /// Fetches, unless that was done a moment ago. Several callers wait for the same fetch.
    async fn fetch_again(&self) {
        let mut fetched = self.fetched.lock().await;
        if fetched.is_none_or(|at| at.elapsed() >= self.cooldown) {
            *fetched = Some(Instant::now());
            self.fetch().await;
        }
    }

    async fn fetch(&self) {
        let (outcome, keys) = match self.read().await {
            Ok(keys) => ("fetched", Some(keys)),
            Err(error) => {
                tracing::warn!(%error, "the keys of the tokens' issuer were not fetched; the last ones count");
                ("failed", None)
            }
        };
        metrics::counter!("starling_jwks_fetches_total", "outcome" => outcome).increment(1);
        if let Some(keys) = keys {
            if keys.is_empty() {
                tracing::warn!("the tokens' issuer publishes no key of use: none of its tokens is believed");
            }
            self.keys.store(Some(Arc::new(keys)));
        }
    }

    async fn read(&self) -> Result<Vec<NamedKey>> {
        let request = Request::get(self.url.as_str()).body(Full::default())?;
        let answer = self.outside.send(request).await?;
        if !answer.status().is_success() {
            bail!("it answered {}", answer.status());
        }
        let body = self.outside.body(answer, MAX_BYTES).await?;
        parse(&body)
    }
}

/// The keys of a set that are of use. Others are left out: an issuer may well publish some for other purposes.
fn parse(body: &[u8]) -> Result<Vec<NamedKey>> {
    let set: Value = serde_json::from_slice(body)?;
    let Some(keys) = set.get("keys").and_then(Value::as_array) else {
        bail!("it is no JSON Web Key Set");
    };
    if keys.len() > MAX_KEYS {
        bail!("it holds more than {MAX_KEYS} keys");
    }
    let usable = keys.iter().filter_map(|key| {
        let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
        match PublicKey::from_jwk(&jwk) {
            // Whoever can read the set can sign with it.
            Ok(_) if key.get("d").is_some() => {
                tracing::warn!(
                    kid = jwk.common.key_id,
                    "the issuer publishes a private key: it is not used"
                );
                None
            }
            Ok(key) => Some(NamedKey {
                kid: jwk.common.key_id,
                key,
            }),
            Err(error) => {
                tracing::debug!(kid = jwk.common.key_id, %error, "a key is left out");
                None
            }
        }
    });
    Ok(usable.collect())
}

async fn upkeep(shared: Arc<Shared>, refresh: Duration) {
    loop {
        let period = |there: bool| if there { refresh } else { shared.cooldown };
        {
            let mut fetched = shared.fetched.lock().await;
            // A token may have brought it about just now.
            let due = period(shared.keys.load().is_some()) / 2;
            if fetched.is_none_or(|at| at.elapsed() >= due) {
                *fetched = Some(Instant::now());
                shared.fetch().await;
            }
        }
        let pause = period(shared.keys.load().is_some());
        // Nodes that were started together do not ask together.
        sleep(pause.mul_f64(rand::random_range(0.8..1.0))).await;
    }
}
