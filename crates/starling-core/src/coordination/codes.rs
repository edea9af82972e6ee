//! Codes to sign in with, and quotas.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::node::{LocalNode, Way};
use crate::ports::{Codes, Digest, Quota, Quotas, Unavailable};

/// A code, and when it was put there.
#[derive(Clone)]
pub(super) struct CodeKey {
    digest: Digest,
    tries: u32,
    until: Instant,
}

#[async_trait]
impl<W: Way> Codes for LocalNode<W> {
    async fn put(&self, subject: &str, digest: &Digest, life: Duration) -> Result<(), Unavailable> {
        self.call(|state, now| {
            let code = CodeKey {
                digest: *digest,
                tries: 0,
                until: now + life,
            };
            state.keys.codes.insert(subject.to_owned(), code);
        })
        .await
    }

    async fn attempt(&self, subject: &str, tries: u32) -> Result<Option<Digest>, Unavailable> {
        self.call(|state, now| {
            let code = state.keys.codes.get(subject).filter(|code| code.until > now)?;
            code.tries = code.tries.saturating_add(1);
            let digest = code.digest;
            if code.tries > tries {
                state.keys.codes.remove(subject);
                return None;
            }
            Some(digest)
        })
        .await
    }

    async fn consume(&self, subject: &str, digest: &Digest) -> Result<bool, Unavailable> {
        self.call(|state, now| {
            let codes = &mut state.keys.codes;
            let is_there = codes
                .get(subject)
                .is_some_and(|code| code.digest == *digest && code.until > now);
            is_there && codes.remove(subject).is_some()
        })
        .await
    }
}

#[async_trait]
impl<W: Way> Quotas for LocalNode<W> {
    async fn spend(&self, subject: &str, quota: Quota) -> Result<Option<Duration>, Unavailable> {
        self.call(|state, now| {
            let full = state.keys.quotas.entry(&subject.to_owned(), || now);
            let next = (*full).max(now) + quota.each;
            let wait = next.saturating_duration_since(now + quota.each * quota.burst);
            if !wait.is_zero() {
                return Some(wait);
            }
            *full = next;
            None
        })
        .await
    }
}
