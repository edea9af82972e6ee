//! The key that tokens are checked with: read, and checked for strength.

use std::fmt;
use std::path::Path;

use super::{Reader, parse};

/// What the algorithm asks for: a key as long as its hash.
const MIN_SECRET_BYTES: usize = 32;

/// Where trust in tokens comes from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum TokenKey {
    /// HS256. The secret's UTF-8 bytes are the key.
    Secret(String),
    /// RS256, ES256 or EdDSA, by the kind of key in this PEM text.
    PublicKey(String),
    /// None here: an outside issuer publishes its own.
    Outside,
    /// Development mode without a secret: the node makes one up that ends with it.
    MadeUp,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret(***)",
            Self::PublicKey(_) => "PublicKey",
            Self::Outside => "Outside",
            Self::MadeUp => "MadeUp",
        })
    }
}

const NAMES: [&str; 3] = ["token_secret", "token_secret_file", "token_public_key_file"];

/// The one key that is configured; `outside` says whether an outside issuer's keys are fetched. `None`: there is none,
/// or it is no good, and that is noted.
pub(super) fn read(reader: &mut Reader<'_>, development: bool, outside: bool) -> Option<TokenKey> {
    let given: Vec<_> = NAMES
        .into_iter()
        .filter(|name| reader.optional(name, parse::text).is_some())
        .collect();
    match given.as_slice() {
        [] if outside => Some(TokenKey::Outside),
        [] if development => Some(TokenKey::MadeUp),
        [] => {
            reader.problems.add(format!(
                "there is no key to check tokens with: set token_secret_file (made by `starling secret`), \
                 token_secret (at least {MIN_SECRET_BYTES} bytes), token_public_key_file or token_jwks_url"
            ));
            None
        }
        ["token_secret"] => {
            let secret = reader.parse("token_secret", |text| {
                strong(text.to_owned(), development, "holds")
            })?;
            Some(TokenKey::Secret(secret))
        }
        ["token_secret_file"] => {
            let secret = reader.parse("token_secret_file", |path| {
                strong(
                    read_file(path)?.trim_end_matches(['\r', '\n']).to_owned(),
                    development,
                    "names a file with",
                )
            })?;
            Some(TokenKey::Secret(secret))
        }
        ["token_public_key_file"] if outside => {
            reader.problems.add(
                "token_public_key_file and token_jwks_url are both set: only one outside issuer can be believed",
            );
            None
        }
        ["token_public_key_file"] => {
            let pem = reader.parse("token_public_key_file", |path| {
                let pem = read_file(path)?;
                crate::tokens::PublicKey::from_pem(&pem)
                    .map_err(|error| format!("names {path}, which {error}"))?;
                Ok(pem)
            })?;
            Some(TokenKey::PublicKey(pem))
        }
        several => {
            let sources: Vec<_> = several
                .iter()
                .map(|name| format!("{name}{}", reader.source(name)))
                .collect();
            reader.problems.add(format!(
                "only one key can be used to check tokens, and there are several: {}",
                sources.join(", ")
            ));
            None
        }
    }
}

fn strong(secret: String, development: bool, verb: &str) -> Result<String, String> {
    let bytes = secret.len();
    if secret.is_empty() || (bytes < MIN_SECRET_BYTES && !development) {
        return Err(format!(
            "{verb} a secret of {bytes} bytes, which can be guessed: it must have at least {MIN_SECRET_BYTES} \
             (`starling secret --file PATH` makes a good one)"
        ));
    }
    Ok(secret)
}

fn read_file(path: &str) -> Result<String, String> {
    std::fs::read_to_string(Path::new(path))
        .map_err(|error| format!("names a file that cannot be read: {path}: {error}"))
}
