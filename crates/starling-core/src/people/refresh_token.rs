//! Refresh tokens: `ID.SECRET`, where the secret is 32 random bytes and a mark by which the cluster knows its own.
//!
//! Each use replaces the token. The next one is derived from the one that was shown and a random salt that is stored
//! with the replacement: so a client that the answer did not reach asks again and gets the same token, although only
//! digests are stored. The mark tells a token that was used up long ago (someone has copied it: the sign-in ends) from
//! one that is made up (nobody's sign-in ends by it).

use data_encoding::BASE64URL_NOPAD;
use hmac::digest::Digest as _;
use sha2::Sha256;

use super::keys::Keys;
use crate::ports::{Digest, SignInId};

const SECRET: usize = 32;
const MARK: usize = 16;

/// Secret and mark.
pub(super) type SecretPart = [u8; SECRET + MARK];

/// A token, in parts.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RefreshToken {
    pub(super) id: SignInId,
    secret: SecretPart,
}

impl RefreshToken {
    /// With this secret.
    pub(super) fn new(keys: &Keys, id: SignInId, random: &Digest) -> Self {
        let mark = keys.mark(&id, random);
        let mut secret = [0; SECRET + MARK];
        secret[..SECRET].copy_from_slice(random);
        secret[SECRET..].copy_from_slice(&mark[..MARK]);
        Self { id, secret }
    }

    /// Takes a token apart. `None`: it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.split_once('.')?;
        let id_is_one = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let secret = BASE64URL_NOPAD.decode(secret.as_bytes()).ok()?;
        Some(Self {
            id: id_is_one.then(|| SignInId::from_wire(id))?,
            secret: secret.try_into().ok()?,
        })
    }

    /// As clients hold it.
    pub(super) fn text(&self) -> String {
        format!("{}.{}", self.id, BASE64URL_NOPAD.encode(&self.secret))
    }

    /// As it is stored. Not keyed: 256 random bits cannot be tried.
    pub(super) fn digest(&self) -> Digest {
        Sha256::digest(self.secret).into()
    }

    /// The one after it, with this salt.
    pub(super) fn next(&self, keys: &Keys, salt: &Digest) -> Self {
        let random = keys.next_secret(&self.id, &self.secret, salt);
        Self::new(keys, self.id.clone(), &random)
    }

    /// Whether this cluster has made it.
    pub(super) fn is_genuine(&self, keys: &Keys) -> bool {
        let mut random = [0; SECRET];
        random.copy_from_slice(&self.secret[..SECRET]);
        let again = Self::new(keys, self.id.clone(), &random);
        // Whoever measures this learns at most how to end a sign-in whose id he knows.
        again.secret == self.secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::settings::Secret;

    #[test]
    fn a_token_is_read_back_and_known_again() {
        let keys = Keys::new(Some(&Secret::new("one")));
        let others = Keys::new(Some(&Secret::new("other")));
        let token = RefreshToken::new(&keys, SignInId::fresh(), &[7; 32]);
        let read = RefreshToken::parse(&token.text()).unwrap();
        assert!(read == token);
        assert!(read.is_genuine(&keys) && !read.is_genuine(&others));
        let mut forged = token.clone();
        forged.secret[0] ^= 1;
        assert!(!forged.is_genuine(&keys));

        let (next, again) = (token.next(&keys, &[1; 32]), token.next(&keys, &[1; 32]));
        assert!(next == again && next.is_genuine(&keys));
        assert!(next.digest() != token.digest());
        assert!(next.digest() != token.next(&keys, &[2; 32]).digest());
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let id = SignInId::fresh();
        for text in [
            "",
            ".",
            "a.b",
            "x",
            &format!("{id}."),
            &format!("{id}.AAAA"),
            &format!("{id}x.{}", "A".repeat(64)),
        ] {
            assert!(RefreshToken::parse(text).is_none(), "{text}");
        }
    }
}
