//! Sign-ins.

use crate::ports::{Digest, Replacement, Rotation, SignInRecord};

/// A sign-in with the digests of its refresh tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInState {
    /// As it is listed while it is in force.
    pub record: SignInRecord,
    /// Of the token that is in force.
    pub current: Digest,
    /// Of the one before, and the salt of the one in force, which has replaced it when the record was last used.
    pub previous: Option<(Digest, Digest)>,
    /// When it was ended, in milliseconds since the Unix epoch.
    pub ended: Option<i64>,
}

impl SignInState {
    /// One that has just begun.
    pub fn begun(record: SignInRecord, digest: Digest) -> Self {
        Self {
            record,
            current: digest,
            previous: None,
            ended: None,
        }
    }

    /// Whether it is in force at that time, in milliseconds since the Unix epoch.
    pub fn is_in_force(&self, at: i64) -> bool {
        self.ended.is_none() && self.record.expires_at > at
    }

    /// See [`SignIns::rotate`](crate::ports::SignIns::rotate). It is another one only where the answer is
    /// [`Rotation::Rotated`].
    pub fn rotate(&mut self, shown: &Digest, replacement: &Replacement) -> Rotation {
        if !self.is_in_force(replacement.at) {
            return Rotation::Over;
        }
        let user = self.record.user.clone();
        if self.current == *shown {
            self.previous = Some((*shown, replacement.salt));
            self.current = replacement.digest;
            (self.record.used_at, self.record.expires_at) = (replacement.at, replacement.expires_at);
            return Rotation::Rotated(user);
        }
        let grace = i64::try_from(replacement.grace.as_millis()).unwrap_or(i64::MAX);
        let lately = replacement.at.saturating_sub(self.record.used_at) <= grace;
        match self.previous {
            Some((previous, salt)) if lately && previous == *shown => Rotation::Repeated { user, salt },
            _ => Rotation::Stale(user),
        }
    }

    /// Ends it, unless it is over: the moment of the first end stays.
    pub fn end(&mut self, at: i64) {
        self.ended.get_or_insert(at);
    }
}
