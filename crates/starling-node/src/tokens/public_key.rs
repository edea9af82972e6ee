//! A public key and the one algorithm that goes with it.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::crypto::{rust_crypto, verify};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

const MIN_RSA_BITS: usize = 2_048;

/// Checks signatures. The key's kind decides the algorithm; what a token's header says only has to agree, so a
/// token signed with HS256 and the public key's text as its secret gets nowhere.
#[derive(Clone)]
pub(crate) struct PublicKey {
    pub(super) key: DecodingKey,
    pub(super) algorithm: Algorithm,
}

/// The rest of a sentence about the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidKey {
    #[error("holds a private key: give the nodes the public one alone (`openssl pkey -pubout`)")]
    Private,
    #[error("holds a certificate: take the public key out of it (`openssl x509 -pubkey -noout`)")]
    Certificate,
    #[error("holds no PEM public key")]
    NotPem,
    #[error("holds a public key that is none of RSA (RS256), P-256 (ES256) and Ed25519 (EdDSA)")]
    Kind,
    #[error("is not for checking signatures")]
    Purpose,
    #[error("holds an RSA key of {bits} bits, which is too short: it must have at least {MIN_RSA_BITS}")]
    Short { bits: usize },
}

impl PublicKey {
    /// Reads a PEM public key, and makes sure that it can be used.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(InvalidKey::Private);
        }
        if pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(InvalidKey::Certificate);
        }
        if !pem.contains("PUBLIC KEY-----") {
            return Err(InvalidKey::NotPem);
        }
        let pem = pem.as_bytes();
        if let Ok(key) = DecodingKey::from_ed_pem(pem) {
            return Self {
                key,
                algorithm: Algorithm::EdDSA,
            }
            .usable();
        }
        if let Ok(key) = DecodingKey::from_ec_pem(pem) {
            return Self {
                key,
                algorithm: Algorithm::ES256,
            }
            .usable();
        }
        let key = DecodingKey::from_rsa_pem(pem).map_err(|_| InvalidKey::Kind)?;
        let components = rust_crypto::DEFAULT_PROVIDER
            .key_utils
            .rsa_pub_components_from_public_key;
        let der = key.try_get_as_bytes().map_err(|_| InvalidKey::Kind)?;
        let (modulus, _) = components(der).map_err(|_| InvalidKey::Kind)?;
        let bits = bit_length(&modulus);
        if bits < MIN_RSA_BITS {
            return Err(InvalidKey::Short { bits });
        }
        Self {
            key,
            algorithm: Algorithm::RS256,
        }
        .usable()
    }

    /// Takes a key of a key set, which says itself what it is for.
    pub(super) fn from_jwk(jwk: &Jwk) -> Result<Self, InvalidKey> {
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => {
                let modulus = BASE64URL_NOPAD.decode(rsa.n.as_bytes());
                let bits = bit_length(&modulus.map_err(|_| InvalidKey::Kind)?);
                if bits < MIN_RSA_BITS {
                    return Err(InvalidKey::Short { bits });
                }
                Algorithm::RS256
            }
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(ed) if ed.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            // A symmetric key among them.
            _ => return Err(InvalidKey::Kind),
        };
        let common = &jwk.common;
        let for_it = common
            .key_algorithm
            .is_none_or(|named| named.to_string() == format!("{algorithm:?}"))
            && common
                .public_key_use
                .as_ref()
                .is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
            && common
                .key_operations
                .as_ref()
                .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !for_it {
            return Err(InvalidKey::Purpose);
        }
        let key = DecodingKey::from_jwk(jwk).map_err(|_| InvalidKey::Kind)?;
        Self { key, algorithm }.usable()
    }

    /// The library looks into elliptic keys only when it checks a signature, so have it check one.
    fn usable(self) -> Result<Self, InvalidKey> {
        match verify("AAAA", b"", &self.key, self.algorithm) {
            Ok(_) => Ok(self),
            Err(_) => Err(InvalidKey::Kind),
        }
    }
}

fn bit_length(big_endian: &[u8]) -> usize {
    let significant = big_endian.iter().skip_while(|byte| **byte == 0);
    let bytes = significant.clone().count();
    significant
        .clone()
        .next()
        .map_or(0, |first| bytes * 8 - first.leading_zeros() as usize)
}
