//! An auth service that is asked about each token, as Chat Service asks its own: `GET` with the token in
//! `Authorization`; whoever it is of stands in the header `x-user-payload` of the answer.
//!
//! What it said is remembered for a short while, the good and the bad, under the token's digest: a client that comes
//! back must not become a request each time, and nor must one that tries the same wrong token over and over. Requests
//! under way are bounded; while the service cannot be reached, who is not remembered is answered `unavailable`, and tries
//! again.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use async_trait::async_trait;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderValue, Request, StatusCode};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http_body_util::Full;
use lru::LruCache;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use starling_core::{Authenticator, Identity, lru_cache};
use starling_protocol::limits::MAX_TOKEN_BYTES;
use starling_protocol::{Error, ErrorCode, UserId};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use url::Url;

use super::TokenAuthority;
use super::authority::{name, seconds};
use crate::outside::Outside;

const TIMEOUT: Duration = Duration::from_secs(5);
const PAYLOAD: &str = "x-user-payload";
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// Requests to the service that are under way.
const AT_ONCE: usize = 64;
/// What the payload may call the user's id.
const IDS: [&str; 4] = ["userId", "id", "_id", "sub"];

/// What the service said of a token, and when.
type Answer = (Instant, Result<Identity, Error>);

/// Believes what the service believes.
pub(crate) struct VerifyUser {
    url: Url,
    outside: Outside,
    /// Tokens of the cluster's own are not asked about.
    own: Option<Arc<TokenAuthority>>,
    good_for: Duration,
    known: Mutex<LruCache<[u8; 32], Answer>>,
    under_way: Semaphore,
}

impl fmt::Debug for VerifyUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyUser").finish_non_exhaustive()
    }
}

impl VerifyUser {
    /// Asks at `url`, and remembers the answers for `good_for`.
    ///
    /// # Errors
    /// Where there is no client to be had.
    pub(crate) fn new(url: Url, good_for: Duration) -> Result<Self> {
        Ok(Self {
            url,
            outside: Outside::new(TIMEOUT)?,
            own: None,
            good_for,
            known: Mutex::new(lru_cache(REMEMBERED)),
            under_way: Semaphore::new(AT_ONCE),
        })
    }

    /// Also tokens that this authority believes, without asking.
    pub(crate) fn besides(mut self, own: TokenAuthority) -> Self {
        self.own = Some(Arc::new(own));
        self
    }

    async fn identify(&self, token: &str) -> Result<Identity, Error> {
        if token.len() > MAX_TOKEN_BYTES {
            let message = format!("the token is longer than {MAX_TOKEN_BYTES} bytes");
            return Err(Error::new(ErrorCode::Unauthenticated, message));
        }
        if let Some(own) = &self.own
            && let Ok(identity) = own.identify(token).await
        {
            return Ok(identity);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.remembered(&digest) {
            return known;
        }
        let said = self.ask(token).await;
        let outcome = match &said {
            Ok(_) => "believed",
            Err(error) if error.code == ErrorCode::Unauthenticated => "refused",
            Err(_) => "failed",
        };
        metrics::counter!("starling_token_checks_total", "outcome" => outcome).increment(1);
        if outcome != "failed" {
            self.known.lock().put(digest, (Instant::now(), said.clone()));
        }
        said
    }

    fn remembered(&self, digest: &[u8; 32]) -> Option<Result<Identity, Error>> {
        let mut known = self.known.lock();
        let (at, said) = known.get(digest)?;
        // Whether a token that has expired is still good only the service can say.
        let is_over = said.as_ref().is_ok_and(has_expired);
        (at.elapsed() < self.good_for && !is_over).then(|| said.clone())
    }

    async fn ask(&self, token: &str) -> Result<Identity, Error> {
        let bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Error::new(ErrorCode::Unauthenticated, "the token is malformed"))?;
        let request = Request::get(self.url.as_str())
            .header(AUTHORIZATION, bearer)
            .body(Full::default())
            .map_err(|error| away(&error))?;
        // A service that hangs must not make a queue without end of those who ask.
        let place = timeout(TIMEOUT, self.under_way.acquire()).await;
        let place = place.map_err(|_| away(&"too many tokens wait for it"))?;
        let _place = place.map_err(|error| away(&error))?;
        let answer = self.outside.send(request).await.map_err(|error| away(&error))?;
        match answer.status() {
            status if status.is_success() => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(Error::new(
                    ErrorCode::Unauthenticated,
                    "the auth service does not believe the token",
                ));
            }
            status => return Err(away(&format_args!("it answered {status}"))),
        }
        let payload = answer.headers().get(PAYLOAD);
        let user = payload.and_then(|payload| user_of(payload.as_bytes()));
        let mut identity = user.ok_or_else(|| away(&"its answer names no user in x-user-payload"))?;
        // The service has looked at it; a connection is to end when it does.
        identity.expires_at = identity.expires_at.or_else(|| expiry_of(token));
        Ok(identity)
    }
}

/// It cannot be said now. Whoever runs the cluster learns why.
fn away(reason: &dyn fmt::Display) -> Error {
    tracing::warn!(%reason, "the auth service could not be asked about a token");
    Error::new(ErrorCode::Unavailable, "the auth service cannot be asked now")
}

/// Reads the payload: JSON, plain or in base 64. Headers are bytes, and Node.js writes a character of Latin 1 as one of
/// them.
fn user_of(payload: &[u8]) -> Option<Identity> {
    let object = |bytes: &[u8]| serde_json::from_slice::<Map<String, Value>>(bytes).ok();
    let latin = || payload.iter().copied().map(char::from).collect::<String>();
    let payload = object(payload)
        .or_else(|| object(&BASE64.decode(payload).ok()?))
        .or_else(|| object(latin().as_bytes()))?;
    let id = IDS.iter().find_map(|field| match payload.get(*field)? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    })?;
    Some(Identity {
        name: name(&payload),
        expires_at: payload.get("exp").and_then(seconds),
        ..Identity::of(UserId::new(id).ok()?)
    })
}

fn has_expired(identity: &Identity) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = identity.expires_at.map(|at| u64::try_from(at).unwrap_or(0));
    until.is_some_and(|until| until <= now.as_secs())
}

/// When a JWT says that it expires.
fn expiry_of(token: &str) -> Option<i64> {
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&claims).ok()?;
    claims.get("exp").and_then(seconds)
}

#[async_trait]
impl Authenticator for VerifyUser {
    async fn authenticate(&self, token: &str) -> Result<Identity, Error> {
        let identified = self.identify(token).await;
        if identified.is_err() {
            metrics::counter!("starling_tokens_refused_total").increment(1);
        }
        identified
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::extract::State;
    use axum::http::HeaderMap;
    use axum::response::{IntoResponse, Response};
    use axum::routing::get;

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    /// An auth service: a token is its user's id; some are not.
    async fn verify(State(asked): State<Arc<AtomicUsize>>, headers: HeaderMap) -> Response {
        asked.fetch_add(1, Ordering::Relaxed);
        let bearer = headers[AUTHORIZATION].to_str().unwrap().to_owned();
        match bearer.strip_prefix("Bearer ").unwrap() {
            "mallory" => StatusCode::UNAUTHORIZED.into_response(),
            "busy" => StatusCode::BAD_GATEWAY.into_response(),
            "nobody" => StatusCode::OK.into_response(),
            "encoded" => {
                let payload = BASE64.encode(br#"{"id": 7, "name": "Seven"}"#);
                ([(PAYLOAD, payload)], "").into_response()
            }
            // As `setHeader` of Node.js writes it.
            "latin" => {
                let payload = HeaderValue::from_bytes(b"{\"id\": \"jose\", \"name\": \"Jos\xe9\"}").unwrap();
                ([(PAYLOAD, payload)], "").into_response()
            }
            "utf8" => {
                let payload = "{\"id\": \"wei\", \"name\": \"\u{4f1f}\"}";
                let payload = HeaderValue::from_bytes(payload.as_bytes()).unwrap();
                ([(PAYLOAD, payload)], "").into_response()
            }
            user => {
                let user = user.split('.').next().unwrap();
                let payload = format!(r#"{{"userId": "{user}", "username": "The {user}"}}"#);
                ([(PAYLOAD, payload)], "").into_response()
            }
        }
    }

    async fn service() -> (Arc<AtomicUsize>, VerifyUser) {
        service_good_for(Duration::from_secs(60)).await
    }

    /// Whose answers are good for so long.
    async fn service_good_for(time: Duration) -> (Arc<AtomicUsize>, VerifyUser) {
        let asked = Arc::new(AtomicUsize::new(0));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://{}/api/v1/auth/verify-user",
            listener.local_addr().unwrap()
        );
        let router = Router::new()
            .route("/api/v1/auth/verify-user", get(verify))
            .with_state(asked.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let service = VerifyUser::new(Url::parse(&url).unwrap(), time).unwrap();
        (asked, service)
    }

    #[tokio::test]
    async fn the_service_says_who_it_is() {
        let (_, service) = service().await;
        let ann = service.authenticate("ann").await.unwrap();
        assert_eq!((ann.user.as_str(), ann.name.as_deref()), ("ann", Some("The ann")));
        assert_eq!((ann.expires_at, ann.admin), (None, false));
        let seven = service.authenticate("encoded").await.unwrap();
        assert_eq!((seven.user.as_str(), seven.name.as_deref()), ("7", Some("Seven")));
        for (token, called) in [("latin", "Jos\u{e9}"), ("utf8", "\u{4f1f}")] {
            let identity = service.authenticate(token).await.unwrap();
            assert_eq!(identity.name.as_deref(), Some(called), "{token}");
        }
        let claims = BASE64URL_NOPAD.encode(br#"{"exp": 2000000000}"#);
        let bob = service.authenticate(&format!("bob.{claims}.x")).await.unwrap();
        assert_eq!(bob.expires_at, Some(2_000_000_000));
        for (token, code) in [
            ("mallory", ErrorCode::Unauthenticated),
            ("busy", ErrorCode::Unavailable),
            ("nobody", ErrorCode::Unavailable),
            ("two\nlines", ErrorCode::Unauthenticated),
        ] {
            assert_eq!(
                service.authenticate(token).await.unwrap_err().code,
                code,
                "{token:?}"
            );
        }
    }

    #[tokio::test]
    async fn its_answers_are_remembered_for_a_while() {
        let (asked, service) = service().await;
        let count = || asked.load(Ordering::Relaxed);
        for _ in 0..5 {
            service.authenticate("ann").await.unwrap();
            service.authenticate("mallory").await.unwrap_err();
        }
        assert_eq!(count(), 2);
        // What could not be found out is asked for again.
        for _ in 0..3 {
            service.authenticate("busy").await.unwrap_err();
        }
        assert_eq!(count(), 5);
    }

    #[tokio::test]
    async fn after_that_while_the_service_is_asked_again() {
        let (asked, service) = service_good_for(SHORT).await;
        service.authenticate("ann").await.unwrap();
        tokio::time::sleep(SHORT).await;
        service.authenticate("ann").await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_token_that_has_expired_is_not_remembered() {
        let (asked, service) = service().await;
        let claims = BASE64URL_NOPAD.encode(br#"{"exp": 1000000000}"#);
        for _ in 0..2 {
            service.authenticate(&format!("bob.{claims}.x")).await.unwrap();
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn tokens_of_the_clusters_own_are_not_asked_about() {
        let (asked, service) = service().await;
        let secret = "a secret of at least thirty-two bytes";
        let user = UserId::new("ops").unwrap();
        let request = crate::tokens::TokenRequest {
            user: &user,
            name: None,
            audience: None,
            issuer: None,
            session: None,
            admin: true,
            lifetime: Duration::from_secs(60),
        };
        let token = crate::tokens::mint(secret, &request).unwrap();
        let service = service.besides(TokenAuthority::with_secret(secret));
        assert!(service.authenticate(&token).await.unwrap().admin);
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        assert_eq!(service.authenticate("ann").await.unwrap().user.as_str(), "ann");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_service_that_is_away_is_no_refusal() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let service = VerifyUser::new(Url::parse(&url).unwrap(), SHORT).unwrap();
        let error = service.authenticate("ann").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
    }
}
