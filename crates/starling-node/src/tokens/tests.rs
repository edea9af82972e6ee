use std::process::Command;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use starling_core::Identity;
use starling_protocol::UserId;
use tempfile::TempDir;

use super::*;

const SECRET: &str = "a secret of thirty-two bytes!!!!";

fn in_an_hour() -> u64 {
    get_current_timestamp() + 3_600
}

fn alice() -> Value {
    json!({"sub": "alice", "exp": in_an_hour()})
}

fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

fn hs256(claims: &Value) -> String {
    signed(
        Algorithm::HS256,
        &EncodingKey::from_secret(SECRET.as_bytes()),
        claims,
    )
}

fn base64(value: &Value) -> String {
    data_encoding::BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

/// Without outside keys nothing is waited for.
fn identify(authority: &TokenAuthority, token: &str) -> Result<Identity, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let identified = runtime.block_on(authority.identify(token));
    identified.map_err(|error| error.message)
}

#[track_caller]
fn refused(authority: &TokenAuthority, token: &str, sentence: &str) {
    let refusal = identify(authority, token).expect_err("is refused");
    assert!(
        refusal.contains(sentence),
        "{refusal:?} does not say {sentence:?}"
    );
    assert!(
        token.is_empty() || !refusal.contains(token),
        "the token is repeated"
    );
}

/// A key pair in PEM, made by openssl.
pub(super) struct Pair {
    pub(super) private: Vec<u8>,
    public: String,
}

impl Pair {
    fn new(options: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let (private, public) = (dir.path().join("private.pem"), dir.path().join("public.pem"));
        let openssl = |args: &[&str]| {
            let output = Command::new("openssl").args(args).output().expect("openssl runs");
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        let (private, public) = (private.to_str().unwrap(), public.to_str().unwrap());
        openssl(&[&["genpkey", "-out", private], options].concat());
        openssl(&["pkey", "-in", private, "-pubout", "-out", public]);
        Self {
            private: std::fs::read(private).unwrap(),
            public: std::fs::read_to_string(public).unwrap(),
        }
    }

    pub(super) fn rsa() -> Self {
        Self::new(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
    }

    pub(super) fn p256() -> Self {
        Self::ec("P-256")
    }

    fn ec(curve: &str) -> Self {
        Self::new(&[
            "-algorithm",
            "EC",
            "-pkeyopt",
            &format!("ec_paramgen_curve:{curve}"),
        ])
    }

    pub(super) fn ed25519() -> Self {
        Self::new(&["-algorithm", "ED25519"])
    }

    fn authority(&self) -> TokenAuthority {
        TokenAuthority::with_public_key(PublicKey::from_pem(&self.public).unwrap())
    }
}

#[test]
fn every_algorithm_works_with_its_own_key_and_no_other() {
    let pairs = [
        (
            Algorithm::RS256,
            Pair::rsa(),
            EncodingKey::from_rsa_pem as fn(&[u8]) -> _,
        ),
        (Algorithm::ES256, Pair::p256(), EncodingKey::from_ec_pem),
        (Algorithm::EdDSA, Pair::ed25519(), EncodingKey::from_ed_pem),
    ];
    let mut tokens = vec![(Algorithm::HS256, hs256(&alice()))];
    for (algorithm, pair, read) in &pairs {
        let key: EncodingKey = read(&pair.private).unwrap();
        tokens.push((*algorithm, signed(*algorithm, &key, &alice())));
    }
    let mut authorities = vec![(Algorithm::HS256, TokenAuthority::with_secret(SECRET))];
    authorities.extend(
        pairs
            .iter()
            .map(|(algorithm, pair, _)| (*algorithm, pair.authority())),
    );
    for (expected, authority) in &authorities {
        for (algorithm, token) in &tokens {
            if algorithm == expected {
                assert_eq!(
                    identify(authority, token).unwrap().user.as_str(),
                    "alice",
                    "{algorithm:?}"
                );
            } else {
                refused(authority, token, "signed with another algorithm");
            }
        }
    }
    // Another key of the same kind.
    let (_, other) = (Algorithm::EdDSA, Pair::ed25519());
    refused(&other.authority(), &tokens[3].1, "signature is not valid");
}

#[test]
fn a_public_key_is_no_secret() {
    for pair in [Pair::rsa(), Pair::p256(), Pair::ed25519()] {
        for secret in [pair.public.as_bytes(), pair.public.trim_end().as_bytes()] {
            let forged = signed(Algorithm::HS256, &EncodingKey::from_secret(secret), &alice());
            refused(&pair.authority(), &forged, "signed with another algorithm");
        }
    }
}

#[test]
fn other_variants_of_the_same_family_are_refused() {
    let authority = TokenAuthority::with_secret(SECRET);
    let token = signed(
        Algorithm::HS512,
        &EncodingKey::from_secret(SECRET.as_bytes()),
        &alice(),
    );
    refused(&authority, &token, "signed with another algorithm than HS256");
    let rsa = Pair::rsa();
    let key = EncodingKey::from_rsa_pem(&rsa.private).unwrap();
    refused(
        &rsa.authority(),
        &signed(Algorithm::PS256, &key, &alice()),
        "signed with another algorithm than RS256",
    );
}

#[test]
fn unsigned_and_malformed_tokens_are_refused() {
    let authority = TokenAuthority::with_secret(SECRET);
    let good = hs256(&alice());
    let (header, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let none = |alg: &str| base64(&json!({"alg": alg, "typ": "JWT"}));
    for (token, sentence) in [
        (format!("{}.{payload}.", none("none")), "not signed"),
        (format!("{}.{payload}.{signature}", none("NoNe")), "not signed"),
        (format!("{header}.{payload}."), "not signed"),
        (
            format!("{}.{payload}.{signature}", none("HS1")),
            "another algorithm",
        ),
        (
            format!("{}.{payload}.{signature}", base64(&json!({"typ": "JWT"}))),
            "malformed",
        ),
        (
            format!(
                "{header}.{}.{signature}",
                base64(&json!({"sub": "eve", "exp": in_an_hour()}))
            ),
            "signature is not valid",
        ),
        (format!("{header}.{payload}.AAAA"), "signature is not valid"),
        (format!("{header}.{payload}.{signature}.x"), "malformed"),
        (format!("{header}.{payload}"), "malformed"),
        (format!("{header}..{signature}"), "signature is not valid"),
        (String::new(), "malformed"),
        ("...".into(), "malformed"),
        ("not a token".into(), "malformed"),
        ("x".repeat(9_000), "longer than 8192 bytes"),
    ] {
        refused(&authority, &token, sentence);
    }
    let mut critical = Header::new(Algorithm::HS256);
    critical.crit = Some(vec!["b64".into()]);
    let token = encode(&critical, &alice(), &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    refused(&authority, &token, "crit");
}

#[test]
fn claims_are_checked() {
    let now = get_current_timestamp();
    let plain = TokenAuthority::with_secret(SECRET);
    let strict = TokenAuthority::with_secret(SECRET)
        .issued_by(Some("login"))
        .meant_for(Some("chat"));
    let full = |change: Value| {
        let mut claims = json!({"sub": "alice", "exp": in_an_hour(), "iss": "login", "aud": "chat"});
        claims
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        hs256(&claims)
    };
    for (change, sentence) in [
        (json!({"exp": now - 6}), "has expired"),
        (json!({"exp": null}), "does not say when it expires"),
        (json!({"exp": "tomorrow"}), "exp"),
        (json!({"nbf": now + 60}), "not valid yet"),
        (json!({"iss": "evil"}), "another issuer"),
        (json!({"iss": null}), "does not name its issuer"),
        (json!({"aud": "mail"}), "another audience"),
        (json!({"aud": ["mail", "news"]}), "another audience"),
        (json!({"aud": null}), "does not name its audience"),
        (json!({"sub": null}), "names no user"),
        (json!({"sub": 7}), "names no user"),
        (json!({"sub": ""}), "no user id"),
        (json!({"sub": "a\u{7}b"}), "no user id"),
        (json!({"sub": "x".repeat(129)}), "no user id"),
    ] {
        refused(&strict, &full(change), sentence);
    }
    for change in [
        json!({}),
        json!({"aud": ["news", "chat"]}),
        json!({"nbf": now - 60}),
        json!({"exp": now - 2}),
    ] {
        assert_eq!(
            identify(&strict, &full(change.clone())).unwrap().user.as_str(),
            "alice",
            "{change}"
        );
    }
    // Where nothing is asked for, anything goes.
    assert!(identify(&plain, &full(json!({"iss": "evil", "aud": "mail"}))).is_ok());
}

#[test]
fn the_name_comes_from_name_or_username() {
    let authority = TokenAuthority::with_secret(SECRET);
    for (claims, name) in [
        (json!({}), None),
        (json!({"name": "Alice", "username": "al"}), Some("Alice")),
        (json!({"username": "al"}), Some("al")),
        (json!({"name": "", "username": "al"}), Some("al")),
        (json!({"name": 7, "username": "al"}), Some("al")),
        (json!({"name": "  A\u{0}l\n "}), Some("Al")),
    ] {
        let mut token = alice();
        token
            .as_object_mut()
            .unwrap()
            .extend(claims.as_object().unwrap().clone());
        assert_eq!(
            identify(&authority, &hs256(&token)).unwrap().name.as_deref(),
            name,
            "{claims}"
        );
    }
    let mut token = alice();
    token["name"] = json!("x".repeat(500));
    assert_eq!(
        identify(&authority, &hs256(&token)).unwrap().name.unwrap().len(),
        200
    );
}

#[test]
fn when_a_token_expires_is_handed_on() {
    let authority = TokenAuthority::with_secret(SECRET);
    let exp = in_an_hour();
    let expected = Some(i64::try_from(exp).unwrap());
    assert_eq!(
        identify(&authority, &hs256(&json!({"sub": "a", "exp": exp})))
            .unwrap()
            .expires_at,
        expected
    );
    let fraction = hs256(&json!({"sub": "a", "exp": exp as f64 + 0.25}));
    assert_eq!(identify(&authority, &fraction).unwrap().expires_at, expected);
}

#[test]
fn minted_tokens_are_believed() {
    let user = UserId::new("günther").unwrap();
    let request = TokenRequest {
        user: &user,
        name: Some("Günther"),
        audience: Some("chat"),
        issuer: Some("login"),
        session: Some("0198c8a4b3f07d0e9a4f6f1d2c3b4a5a"),
        admin: false,
        lifetime: Duration::from_secs(60),
    };
    let token = mint(SECRET, &request).unwrap();
    let authority = TokenAuthority::with_secret(SECRET)
        .issued_by(Some("login"))
        .meant_for(Some("chat"));
    let identity = identify(&authority, &token).unwrap();
    let session = identity.sign_in.as_ref().map(|id| id.as_str());
    assert_eq!(session, Some("0198c8a4b3f07d0e9a4f6f1d2c3b4a5a"));
    assert_eq!((identity.user, identity.name.as_deref()), (user, Some("Günther")));
    refused(
        &TokenAuthority::with_secret("another secret of enough bytes..."),
        &token,
        "signature is not valid",
    );
}

#[test]
fn only_the_scope_admin_makes_an_administrator() {
    let authority = TokenAuthority::with_secret(SECRET);
    for (scope, admin) in [
        (json!("admin"), true),
        (json!("read admin write"), true),
        (json!("administrator"), false),
        (json!("ADMIN"), false),
        (json!(""), false),
        (json!(["admin"]), false),
        (json!(true), false),
    ] {
        let token = hs256(&json!({"sub": "a", "exp": in_an_hour(), "scope": scope}));
        assert_eq!(identify(&authority, &token).unwrap().admin, admin, "{scope}");
    }
    let user = UserId::new("ops").unwrap();
    let request = |admin| TokenRequest {
        user: &user,
        name: None,
        audience: None,
        issuer: None,
        session: None,
        admin,
        lifetime: Duration::from_secs(60),
    };
    for admin in [false, true] {
        let token = mint(SECRET, &request(admin)).unwrap();
        assert_eq!(identify(&authority, &token).unwrap().admin, admin);
    }
}

#[test]
fn keys_that_will_not_do_are_refused() {
    let check = |pem: &str, sentence: &str| {
        let refusal = PublicKey::from_pem(pem).err().expect("is refused").to_string();
        assert!(refusal.contains(sentence), "{refusal}");
    };
    check("", "no PEM public key");
    check(
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "none of RSA",
    );
    check(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "holds a certificate",
    );
    check(
        &String::from_utf8(Pair::ed25519().private).unwrap(),
        "holds a private key",
    );
    check(
        &Pair::new(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]).public,
        "1024 bits",
    );
    check(&Pair::ec("P-384").public, "none of RSA");
    check(&Pair::ec("secp256k1").public, "none of RSA");
    check(&Pair::new(&["-algorithm", "ED448"]).public, "none of RSA");
}
