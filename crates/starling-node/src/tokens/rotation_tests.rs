//! An outside issuer that rotates its keys, over real HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use starling_core::Authenticator;
use starling_protocol::ErrorCode;
use url::Url;

use super::tests::Pair;
use super::*;

/// Publishes keys, and counts who asks.
#[derive(Default)]
struct Published {
    /// `None`: it does not work just now.
    set: Mutex<Option<Value>>,
    asked: Mutex<u32>,
}

async fn publish(State(published): State<Arc<Published>>) -> Result<String, StatusCode> {
    *published.asked.lock() += 1;
    let set = published.set.lock().clone();
    set.map(|set| set.to_string()).ok_or(StatusCode::BAD_GATEWAY)
}

struct Issuer {
    published: Arc<Published>,
    url: Url,
}

impl Issuer {
    async fn start() -> Self {
        let published = Arc::new(Published::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/keys", get(publish))
            .with_state(published.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            published,
            url: Url::parse(&url).unwrap(),
        }
    }

    fn publish(&self, keys: &[Value]) {
        *self.published.set.lock() = Some(json!({ "keys": keys }));
    }

    fn fail(&self) {
        *self.published.set.lock() = None;
    }

    fn asked(&self) -> u32 {
        *self.published.asked.lock()
    }

    fn keys(&self, refresh: Duration, cooldown: Duration) -> Jwks {
        Jwks::start(self.url.clone(), refresh, cooldown).unwrap()
    }
}

type ReadKey = fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>;

/// A key of the issuer's.
struct Signer {
    kid: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    fn new(kid: &'static str, algorithm: Algorithm) -> Self {
        let (pair, read) = match algorithm {
            Algorithm::RS256 => (Pair::rsa(), EncodingKey::from_rsa_pem as ReadKey),
            Algorithm::ES256 => (Pair::p256(), EncodingKey::from_ec_pem as ReadKey),
            _ => (Pair::ed25519(), EncodingKey::from_ed_pem as ReadKey),
        };
        Self {
            kid,
            algorithm,
            key: read(&pair.private).unwrap(),
        }
    }

    fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.kid.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    fn token(&self) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.to_owned());
        encode(&header, &claims(), &self.key).unwrap()
    }
}

fn claims() -> Value {
    json!({"sub": "alice", "exp": get_current_timestamp() + 3_600, "starling_session": "made up", "scope": "admin"})
}

const LONG: Duration = Duration::from_secs(3_600);
const SECRET: &str = "a secret of thirty-two bytes!!!!";

async fn code(authority: &TokenAuthority, token: &str) -> Option<ErrorCode> {
    authority.authenticate(token).await.err().map(|error| error.code)
}

#[tokio::test]
async fn keys_come_and_go_with_what_the_issuer_publishes() {
    let issuer = Issuer::start().await;
    let old = Signer::new("old", Algorithm::RS256);
    let new = Signer::new("new", Algorithm::ES256);
    let edwards = Signer::new("edwards", Algorithm::EdDSA);
    issuer.publish(&[old.public(), edwards.public()]);
    let keys = issuer.keys(LONG, Duration::ZERO);
    let authority = TokenAuthority::with_secret(SECRET).or_outside_keys(keys);

    let identity = authority.authenticate(&old.token()).await.unwrap();
    assert_eq!(identity.user.as_str(), "alice");
    assert_eq!(identity.sign_in, None, "an outside issuer's sessions are its own");
    assert!(
        !identity.admin,
        "and its administrators are no business of this cluster"
    );
    assert_eq!(code(&authority, &edwards.token()).await, None);
    assert_eq!(
        code(&authority, &new.token()).await,
        Some(ErrorCode::Unauthenticated)
    );

    // A key that is not known yet is looked for at once, and the old one goes with that.
    issuer.publish(&[new.public(), edwards.public()]);
    assert_eq!(code(&authority, &new.token()).await, None);
    assert_eq!(
        code(&authority, &old.token()).await,
        Some(ErrorCode::Unauthenticated)
    );

    // While the issuer is away, what it published last counts.
    issuer.fail();
    assert_eq!(
        code(&authority, &old.token()).await,
        Some(ErrorCode::Unauthenticated)
    );
    assert_eq!(code(&authority, &new.token()).await, None);
}

#[tokio::test]
async fn made_up_keys_are_not_asked_for_again_and_again() {
    let issuer = Issuer::start().await;
    let known = Signer::new("known", Algorithm::EdDSA);
    issuer.publish(&[known.public()]);
    let keys = issuer.keys(LONG, LONG);
    let authority = TokenAuthority::with_outside_keys(keys);
    while code(&authority, &known.token()).await.is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = issuer.asked();
    for kid in ["a", "b", "c"] {
        let forged = Signer::new(kid, Algorithm::EdDSA);
        assert_eq!(
            code(&authority, &forged.token()).await,
            Some(ErrorCode::Unauthenticated)
        );
    }
    assert_eq!(issuer.asked(), before);
}

#[tokio::test]
async fn keys_are_fetched_now_and_then() {
    let issuer = Issuer::start().await;
    let old = Signer::new("old", Algorithm::EdDSA);
    issuer.publish(&[old.public()]);
    let keys = issuer.keys(Duration::from_millis(50), LONG);
    let authority = TokenAuthority::with_outside_keys(keys);
    while code(&authority, &old.token()).await.is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    issuer.publish(&[]);
    let gone = async {
        while code(&authority, &old.token()).await.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .expect("what is not published any more is not believed");
}

#[tokio::test]
async fn without_keys_nobody_can_say() {
    let issuer = Issuer::start().await;
    issuer.fail();
    let signer = Signer::new("k", Algorithm::EdDSA);
    let authority = TokenAuthority::with_outside_keys(issuer.keys(LONG, Duration::from_millis(50)));
    assert_eq!(
        code(&authority, &signer.token()).await,
        Some(ErrorCode::Unavailable)
    );
    issuer.publish(&[signer.public()]);
    let comes = async {
        while code(&authority, &signer.token()).await.is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), comes)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_published_key_is_no_secret() {
    let issuer = Issuer::start().await;
    let signer = Signer::new("k", Algorithm::RS256);
    let public = signer.public();
    let symmetric =
        json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"});
    let mut with_private = Signer::new("private", Algorithm::EdDSA).public();
    with_private["d"] = json!("AAAA");
    let mut for_encryption = Signer::new("enc", Algorithm::EdDSA).public();
    for_encryption["use"] = json!("enc");
    issuer.publish(&[public.clone(), symmetric, with_private, for_encryption]);
    let authority = TokenAuthority::with_outside_keys(issuer.keys(LONG, Duration::ZERO));
    assert_eq!(code(&authority, &signer.token()).await, None);

    let modulus = data_encoding::BASE64URL_NOPAD
        .decode(public["n"].as_str().unwrap().as_bytes())
        .unwrap();
    let text = public["n"].as_str().unwrap().as_bytes().to_vec();
    for (kid, secret) in [("k", modulus), ("k", text), ("s", vec![0; 32])] {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(kid.into());
        let forged = encode(&header, &claims(), &EncodingKey::from_secret(&secret)).unwrap();
        assert_eq!(
            code(&authority, &forged).await,
            Some(ErrorCode::Unauthenticated),
            "{kid}"
        );
    }
    // The token's own secret does not become the outside issuer's.
    let beside = TokenAuthority::with_secret(SECRET).or_outside_keys(issuer.keys(LONG, Duration::ZERO));
    let own = encode(
        &Header::default(),
        &claims(),
        &EncodingKey::from_secret(SECRET.as_bytes()),
    );
    assert_eq!(code(&beside, &own.unwrap()).await, None);
    assert_eq!(code(&beside, &signer.token()).await, None);
}
