//! The key that tokens are checked with: read, and checked for strength.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use super::{Backend, Reader, parse};

/// What HMAC-SHA256 asks for: a key as long as its hash.
pub(super) const MIN_SECRET_BYTES: usize = 32;

/// Where trust in tokens comes from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum TokenKey {
    /// HS256. The secret's UTF-8 bytes are the key.
    Secret(String),
    /// RS256, ES256 or EdDSA, by the kind of key in this PEM text.
    PublicKey(String),
    /// HS256, with a secret of this machine's own in a file that is made at the first start.
    Kept(PathBuf),
    /// None here: an outside issuer publishes its own.
    Outside,
    /// Development mode without a secret: the node makes one up that ends with it.
    MadeUp,
}

impl TokenKey {
    /// The secret, if that is what it is and it is known: the one that is kept is made at the first start.
    ///
    /// # Errors
    /// Where the file with it cannot be read, or is not what a start makes: one that was emptied would let everyone make
    /// tokens.
    pub(crate) fn secret(&self) -> io::Result<Option<String>> {
        match self {
            Self::Secret(secret) => Ok(Some(secret.clone())),
            Self::Kept(path) if path.exists() => {
                let kept = std::fs::read_to_string(path)?;
                let kept = kept.trim_end_matches(['\r', '\n']);
                if kept.len() < MIN_SECRET_BYTES {
                    let why = format!(
                        "it holds a secret of {} bytes, which can be guessed: remove it, and the next start makes a good \
                         one",
                        kept.len()
                    );
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
                Ok(Some(kept.to_owned()))
            }
            _ => Ok(None),
        }
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret(***)",
            Self::PublicKey(_) => "PublicKey",
            Self::Kept(_) => "Kept",
            Self::Outside => "Outside",
            Self::MadeUp => "MadeUp",
        })
    }
}

/// In the data directory.
const KEPT_SECRET: &str = "secret";

const NAMES: [&str; 3] = ["token_secret", "token_secret_file", "token_public_key_file"];

/// The one key that is configured; `outside` is the setting by which an outside issuer is believed, if one is. `None`:
/// there is none, or it is no good, and that is noted.
pub(super) fn read(
    reader: &mut Reader<'_>,
    backend: Option<&Backend>,
    development: bool,
    outside: Option<&'static str>,
) -> Option<TokenKey> {
    let given: Vec<_> = NAMES
        .into_iter()
        .filter(|name| reader.optional(name, parse::text).is_some())
        .collect();
    match given.as_slice() {
        [] if outside.is_some() => Some(TokenKey::Outside),
        [] => match backend {
            Some(Backend::Standalone { data_dir }) => Some(TokenKey::Kept(data_dir.join(KEPT_SECRET))),
            _ if development => Some(TokenKey::MadeUp),
            _ => {
                reader.problems.add(format!(
                    "there is no key to check tokens with: set token_secret_file (made by `starling secret`), \
                     token_secret (at least {MIN_SECRET_BYTES} bytes), token_public_key_file, token_jwks_url or \
                     token_verify_url"
                ));
                None
            }
        },
        ["token_secret"] => {
            let secret = reader.parse("token_secret", |text| strong(text, development, "holds"))?;
            Some(TokenKey::Secret(secret))
        }
        ["token_secret_file"] => {
            let secret = reader.parse("token_secret_file", |path| {
                strong(
                    read_file(path)?.trim_end_matches(['\r', '\n']),
                    development,
                    "names a file with",
                )
            })?;
            Some(TokenKey::Secret(secret))
        }
        ["token_public_key_file"] if outside.is_some() => {
            reader.problems.add(format!(
                "token_public_key_file and {} are both set: only one outside issuer can be believed",
                outside.unwrap_or_default()
            ));
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

/// The secret, unless it can be guessed. `verb` says what a setting does with it.
pub(super) fn strong(secret: &str, development: bool, verb: &str) -> Result<String, String> {
    let bytes = secret.len();
    if secret.is_empty() || (bytes < MIN_SECRET_BYTES && !development) {
        return Err(format!(
            "{verb} a secret of {bytes} bytes, which can be guessed: it must have at least {MIN_SECRET_BYTES} \
             (`starling secret --file PATH` makes a good one)"
        ));
    }
    Ok(secret.to_owned())
}

fn read_file(path: &str) -> Result<String, String> {
    std::fs::read_to_string(Path::new(path))
        .map_err(|error| format!("names a file that cannot be read: {path}: {error}"))
}
