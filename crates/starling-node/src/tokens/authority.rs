//! Decides whether a token is believed, and says in a sentence why not.

use std::sync::Arc;

use async_trait::async_trait;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Map, Value};
use starling_core::ports::SignInId;
use starling_core::{Authenticator, Identity};
use starling_protocol::limits::{MAX_NAME_CHARS, MAX_TOKEN_BYTES};
use starling_protocol::{Error, ErrorCode, UserId};

use super::{Jwks, PublicKey};

/// How far clocks may be apart, in seconds.
const LEEWAY: u64 = 5;

/// What algorithms an outside issuer's keys are for. None of them is symmetric.
const OUTSIDE: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// The claim that names the session which a token belongs to. Only believed in tokens that are signed with the
/// cluster's own secret: an outside issuer's sessions are no business of this cluster.
const SESSION: &str = "starling_session";

/// The scope of tokens that may ask about the cluster itself. Only believed in tokens that are signed with the cluster's
/// own key.
pub(super) const ADMIN: &str = "admin";

/// The keys that tokens must be signed with, and what they must say. An algorithm decides about the key: there is one
/// of the cluster's own, or an outside issuer's with the cluster's own secret at most.
#[derive(Clone)]
pub(crate) struct TokenAuthority {
    own: Option<PublicKey>,
    outside: Option<Arc<Jwks>>,
    validation: Validation,
}

/// What a token's header says, as far as it matters.
struct Head {
    algorithm: Algorithm,
    kid: Option<String>,
}

impl TokenAuthority {
    /// Tokens signed with HS256 and this secret.
    pub(crate) fn with_secret(secret: &str) -> Self {
        Self::new(Some(PublicKey {
            key: DecodingKey::from_secret(secret.as_bytes()),
            algorithm: Algorithm::HS256,
        }))
    }

    /// Tokens signed with the private key that belongs to this public one.
    pub(crate) fn with_public_key(key: PublicKey) -> Self {
        Self::new(Some(key))
    }

    /// Tokens of an outside issuer alone.
    pub(crate) fn with_outside_keys(keys: Jwks) -> Self {
        let mut authority = Self::new(None);
        authority.outside = Some(Arc::new(keys));
        authority
    }

    /// Also tokens of an outside issuer.
    pub(crate) fn or_outside_keys(mut self, keys: Jwks) -> Self {
        self.outside = Some(Arc::new(keys));
        self
    }

    fn new(own: Option<PublicKey>) -> Self {
        // The algorithm is that of the key, each time.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        // A token for an audience is no worse where none is asked for.
        validation.validate_aud = false;
        Self {
            own,
            outside: None,
            validation,
        }
    }

    /// Only those of this issuer, where one is given.
    pub(crate) fn issued_by(mut self, issuer: Option<&str>) -> Self {
        if let Some(issuer) = issuer {
            self.validation.set_issuer(&[issuer]);
            self.validation.required_spec_claims.insert("iss".into());
        }
        self
    }

    /// Only those for this audience, where one is given.
    pub(crate) fn meant_for(mut self, audience: Option<&str>) -> Self {
        if let Some(audience) = audience {
            self.validation.validate_aud = true;
            self.validation.set_audience(&[audience]);
            self.validation.required_spec_claims.insert("aud".into());
        }
        self
    }

    /// Who the bearer is.
    ///
    /// # Errors
    /// `unauthenticated` with a sentence that says what is wrong with the token, without repeating it; `unavailable`
    /// where an outside issuer's keys cannot be had.
    pub(super) async fn identify(&self, token: &str) -> Result<Identity, Error> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refused(format!(
                "the token is longer than {MAX_TOKEN_BYTES} bytes"
            )));
        }
        let head = self.head(token).map_err(refused)?;
        let own = self.own.as_ref().filter(|own| own.algorithm == head.algorithm);
        let outside = self
            .outside
            .as_ref()
            .filter(|_| OUTSIDE.contains(&head.algorithm));
        let (key, is_own) = match (own, outside) {
            (Some(own), _) => (own.clone(), true),
            (None, Some(keys)) => (keys.key(head.kid.as_deref(), head.algorithm).await?, false),
            (None, None) => return Err(refused(self.other_algorithm())),
        };
        let mut identity = self.read(token, &key).map_err(refused)?;
        if !is_own || key.algorithm != Algorithm::HS256 {
            identity.sign_in = None;
        }
        // What an outside issuer calls an administrator is one of something else.
        identity.admin &= is_own;
        Ok(identity)
    }

    fn read(&self, token: &str, key: &PublicKey) -> Result<Identity, String> {
        let mut validation = self.validation.clone();
        validation.algorithms = vec![key.algorithm];
        let claims = decode::<Map<String, Value>>(token, &key.key, &validation)
            .map_err(|error| sentence(error.kind()))?
            .claims;
        let Some(sub) = claims.get("sub").and_then(Value::as_str) else {
            return Err("the token names no user: it needs a sub claim that is a string".into());
        };
        let user = UserId::new(sub).map_err(|error| format!("the token's sub is no user id: {error}"))?;
        Ok(Identity {
            user,
            name: name(&claims),
            expires_at: claims.get("exp").and_then(seconds),
            sign_in: claims
                .get(SESSION)
                .and_then(Value::as_str)
                .map(SignInId::from_wire),
            admin: has_scope(&claims, ADMIN),
        })
    }

    /// The library refuses all of this too, but does not say which it was.
    fn head(&self, token: &str) -> Result<Head, String> {
        let malformed = || "the token is malformed: it is not a JWT".to_owned();
        let parts: Vec<_> = token.split('.').collect();
        let [header, _, signature] = parts.as_slice() else {
            return Err(malformed());
        };
        let header = data_encoding::BASE64URL_NOPAD
            .decode(header.as_bytes())
            .map_err(|_| malformed())?;
        let header: Map<String, Value> = serde_json::from_slice(&header).map_err(|_| malformed())?;
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or_else(malformed)?;
        if signature.is_empty() || algorithm.eq_ignore_ascii_case("none") {
            return Err("the token is not signed".into());
        }
        let algorithm = algorithm.parse().map_err(|_| self.other_algorithm())?;
        if header.contains_key("crit") {
            return Err("the token asks for an extension (crit) that is not known here".into());
        }
        let kid = header.get("kid").and_then(Value::as_str).map(str::to_owned);
        Ok(Head { algorithm, kid })
    }

    fn other_algorithm(&self) -> String {
        let own = self.own.iter().map(|own| own.algorithm);
        let outside = self.outside.iter().flat_map(|_| OUTSIDE);
        let names: Vec<_> = own
            .chain(outside)
            .map(|algorithm| format!("{algorithm:?}"))
            .collect();
        format!(
            "the token is signed with another algorithm than {}",
            names.join(", ")
        )
    }
}

fn refused(sentence: String) -> Error {
    Error::new(ErrorCode::Unauthenticated, sentence)
}

#[async_trait]
impl Authenticator for TokenAuthority {
    async fn authenticate(&self, token: &str) -> Result<Identity, Error> {
        let identified = self.identify(token).await;
        if identified.is_err() {
            metrics::counter!("starling_tokens_refused_total").increment(1);
        }
        identified
    }
}

fn sentence(error: &ErrorKind) -> String {
    match error {
        ErrorKind::InvalidSignature => "the token's signature is not valid".into(),
        ErrorKind::ExpiredSignature => "the token has expired".into(),
        ErrorKind::ImmatureSignature => "the token is not valid yet".into(),
        ErrorKind::InvalidIssuer => "the token is of another issuer".into(),
        ErrorKind::InvalidAudience => "the token is for another audience".into(),
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "exp" => "the token does not say when it expires: it needs an exp claim".into(),
            "iss" => "the token does not name its issuer, and one is asked for".into(),
            "aud" => "the token does not name its audience, and one is asked for".into(),
            claim => format!("the token has no {claim} claim"),
        },
        ErrorKind::InvalidClaimFormat(claim) => format!("the token's {claim} claim is malformed"),
        _ => "the token is malformed".into(),
    }
}

/// For people: what cannot be shown is no reason to refuse a token.
pub(super) fn name(claims: &Map<String, Value>) -> Option<String> {
    ["name", "username"].into_iter().find_map(|claim| {
        let name: String = claims
            .get(claim)?
            .as_str()?
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_NAME_CHARS)
            .collect();
        (!name.is_empty()).then_some(name)
    })
}

/// Whether the claim `scope` (RFC 8693: a list of words) names it.
fn has_scope(claims: &Map<String, Value>, scope: &str) -> bool {
    claims
        .get("scope")
        .and_then(Value::as_str)
        .is_some_and(|scopes| scopes.split(' ').any(|found| found == scope))
}

/// Numeric dates may have a fraction.
pub(super) fn seconds(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_f64().map(|seconds| seconds as i64))
}
