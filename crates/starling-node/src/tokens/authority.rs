//! Decides whether a token is believed, and says in a sentence why not.

use async_trait::async_trait;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Map, Value};
use starling_core::{Authenticator, Identity};
use starling_protocol::limits::{MAX_NAME_CHARS, MAX_TOKEN_BYTES};
use starling_protocol::{Error, ErrorCode, UserId};

use super::PublicKey;

/// How far clocks may be apart, in seconds.
const LEEWAY: u64 = 5;

/// The one key that tokens must be signed with, and what they must say.
#[derive(Clone)]
pub(crate) struct TokenAuthority {
    key: DecodingKey,
    algorithm: Algorithm,
    validation: Validation,
}

impl TokenAuthority {
    /// Tokens signed with HS256 and this secret.
    pub(crate) fn with_secret(secret: &str) -> Self {
        Self::new(DecodingKey::from_secret(secret.as_bytes()), Algorithm::HS256)
    }

    /// Tokens signed with the private key that belongs to this public one.
    pub(crate) fn with_public_key(key: PublicKey) -> Self {
        Self::new(key.key, key.algorithm)
    }

    fn new(key: DecodingKey, algorithm: Algorithm) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        // A token for an audience is no worse where none is asked for.
        validation.validate_aud = false;
        Self {
            key,
            algorithm,
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
    /// A sentence that says what is wrong with the token, without repeating it.
    pub(super) fn identify(&self, token: &str) -> Result<Identity, String> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(format!("the token is longer than {MAX_TOKEN_BYTES} bytes"));
        }
        self.check_header(token)?;
        let claims = decode::<Map<String, Value>>(token, &self.key, &self.validation)
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
        })
    }

    /// The library refuses all of this too, but does not say which it was.
    fn check_header(&self, token: &str) -> Result<(), String> {
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
        let expected = format!("{:?}", self.algorithm);
        if algorithm != expected {
            return Err(format!(
                "the token is signed with another algorithm than {expected}"
            ));
        }
        if header.contains_key("crit") {
            return Err("the token asks for an extension (crit) that is not known here".into());
        }
        Ok(())
    }
}

#[async_trait]
impl Authenticator for TokenAuthority {
    async fn authenticate(&self, token: &str) -> Result<Identity, Error> {
        self.identify(token).map_err(|sentence| {
            metrics::counter!("starling_tokens_refused_total").increment(1);
            Error::new(ErrorCode::Unauthenticated, sentence)
        })
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
fn name(claims: &Map<String, Value>) -> Option<String> {
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

/// Numeric dates may have a fraction.
fn seconds(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_f64().map(|seconds| seconds as i64))
}
