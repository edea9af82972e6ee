//! Keys derived from the cluster's secret, one for each use, so that what one makes is of no use to another.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use starling_protocol::{ClientId, ConversationId, UserId};

use super::settings::Secret;
use super::{Phone, refresh_token};
use crate::ports::{Digest, SignInId};

type Keyed = Hmac<Sha256>;

/// Bytes of a subject's name in coordination: enough that no two meet.
const SUBJECT_BYTES: usize = 16;

pub(super) struct Keys {
    codes: Keyed,
    subjects: Keyed,
    refresh: Keyed,
    /// `None`: there is no secret, so whoever knows the parts could make what is made of them.
    invites: Option<Keyed>,
}

impl Keys {
    /// Without a secret nobody signs in, and what is left, names of subjects, is not worth one.
    pub(super) fn new(secret: Option<&Secret>) -> Self {
        let secret_is_there = secret.is_some();
        let secret = secret.map_or(&[][..], Secret::bytes);
        let key = |purpose: &str| keyed(&mac(keyed(secret), &[b"starling 1", purpose.as_bytes()]));
        Self {
            codes: key("code"),
            subjects: key("subject"),
            refresh: key("refresh"),
            invites: secret_is_there.then(|| key("invite")),
        }
    }

    /// Of a code that was sent to a number. Keyed, since a million codes are tried in no time.
    pub(super) fn code(&self, phone: &Phone, code: &str) -> Digest {
        mac(self.codes.clone(), &[phone.as_str().as_bytes(), code.as_bytes()])
    }

    /// Whether a digest is of this code, in a time that does not depend on how much of it is right.
    pub(super) fn is_code(&self, digest: &Digest, phone: &Phone, code: &str) -> bool {
        let mut mac = self.codes.clone();
        feed(&mut mac, &[phone.as_str().as_bytes(), code.as_bytes()]);
        mac.verify_slice(digest).is_ok()
    }

    /// What someone or something is called in coordination, where no numbers and addresses shall stand.
    pub(super) fn subject(&self, kind: &str, subject: &str) -> String {
        let name = mac(self.subjects.clone(), &[kind.as_bytes(), subject.as_bytes()]);
        format!("{kind}:{}", HEXLOWER.encode(&name[..SUBJECT_BYTES]))
    }

    /// The secret of the invite that a user's request makes, however often and at whichever node it is asked for.
    pub(super) fn invite_secret(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        client_id: &ClientId,
    ) -> Option<Digest> {
        let parts = [conversation.as_str(), user.as_str(), client_id.as_str()];
        Some(mac(self.invites.clone()?, &parts.map(str::as_bytes)))
    }

    /// The secret of the refresh token after the one with this secret.
    pub(super) fn next_secret(
        &self,
        id: &SignInId,
        shown: &refresh_token::SecretPart,
        salt: &Digest,
    ) -> Digest {
        mac(
            self.refresh.clone(),
            &[b"next", id.as_str().as_bytes(), shown, salt],
        )
    }

    /// The mark of a refresh token that this cluster has made.
    pub(super) fn mark(&self, id: &SignInId, secret: &Digest) -> Digest {
        mac(self.refresh.clone(), &[b"mark", id.as_str().as_bytes(), secret])
    }
}

fn keyed(key: &[u8]) -> Keyed {
    match Keyed::new_from_slice(key) {
        Ok(keyed) => keyed,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    }
}

fn mac(mut keyed: Keyed, parts: &[&[u8]]) -> Digest {
    feed(&mut keyed, parts);
    keyed.finalize().into_bytes().into()
}

/// Each part with its length, so that two lists of parts never read the same.
fn feed(keyed: &mut Keyed, parts: &[&[u8]]) {
    for part in parts {
        keyed.update(&(part.len() as u64).to_be_bytes());
        keyed.update(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_depends_on_the_secret_and_on_every_part() {
        let (one, other) = (Secret::new("one"), Secret::new("other"));
        let (one, other) = (Keys::new(Some(&one)), Keys::new(Some(&other)));
        let (ann, bob) = (
            Phone::from_stored("+4915123456789"),
            Phone::from_stored("+4915123456780"),
        );
        let digest = one.code(&ann, "123456");
        assert!(one.is_code(&digest, &ann, "123456"));
        assert!(!one.is_code(&digest, &ann, "123457"));
        assert!(!one.is_code(&digest, &bob, "123456"));
        assert!(!other.is_code(&digest, &ann, "123456"));
        assert_ne!(one.subject("a", "bc"), one.subject("ab", "c"));
        assert_eq!(one.subject("a", "bc"), one.subject("a", "bc"));
        assert_ne!(one.subject("a", "bc"), other.subject("a", "bc"));
        let invite = |keys: &Keys, conversation: &str, user: &str, client_id: &str| {
            keys.invite_secret(
                &ConversationId::new(conversation).unwrap(),
                &UserId::new(user).unwrap(),
                &ClientId::new(client_id).unwrap(),
            )
        };
        let made = invite(&one, "c", "ann", "k");
        assert!(made.is_some() && made == invite(&one, "c", "ann", "k"));
        for different in [
            invite(&one, "d", "ann", "k"),
            invite(&one, "c", "bob", "k"),
            invite(&one, "c", "ann", "l"),
            invite(&one, "c", "annk", "k"),
            invite(&other, "c", "ann", "k"),
            invite(&Keys::new(None), "c", "ann", "k"),
        ] {
            assert_ne!(different, made);
        }
        assert_eq!(invite(&Keys::new(None), "c", "ann", "k"), None);
    }
}
