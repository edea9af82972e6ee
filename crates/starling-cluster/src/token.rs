//! Tokens that the cluster's nodes believe.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use data_encoding::HEXLOWER;
use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    iat: u64,
    exp: u64,
}

/// A new secret for signing tokens.
pub fn random_secret() -> String {
    HEXLOWER.encode(&rand::random::<[u8; 32]>())
}

/// A token of this user, whose name is the user's id, signed with `secret` (HS256) and valid for `lifetime`.
pub fn mint_token(secret: &str, user: &str, lifetime: Duration) -> Result<String> {
    mint(secret, user, None, lifetime)
}

/// The same, with the scope `admin`.
pub fn mint_admin_token(secret: &str, user: &str, lifetime: Duration) -> Result<String> {
    mint(secret, user, Some("admin"), lifetime)
}

fn mint(secret: &str, user: &str, scope: Option<&str>, lifetime: Duration) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = Claims {
        sub: user,
        name: user,
        scope,
        iat: now,
        exp: now + lifetime.as_secs(),
    };
    let key = EncodingKey::from_secret(secret.as_bytes());
    Ok(jsonwebtoken::encode(&Header::default(), &claims, &key)?)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_token_is_valid_under_its_own_secret_only() {
        let secret = random_secret();
        let token = mint_token(&secret, "amelie", Duration::from_secs(60)).unwrap();
        let read = |secret: &str| {
            let key = DecodingKey::from_secret(secret.as_bytes());
            jsonwebtoken::decode::<Value>(&token, &key, &Validation::default())
        };
        assert_eq!(read(&secret).unwrap().claims["sub"], "amelie");
        assert!(read(&random_secret()).is_err());
    }
}
