//! Codes to sign in with. Only keyed digests of them are here, under names that tell nothing.

use std::time::Duration;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use starling_core::ports::{Codes, Digest, Unavailable};

use crate::client::{millis, number};
use crate::scripts::{ATTEMPT, CONSUME, PUT_CODE};
use crate::{Redis, keys};

#[async_trait]
impl Codes for Redis {
    async fn put(&self, subject: &str, digest: &Digest, life: Duration) -> Result<(), Unavailable> {
        let args = vec![HEXLOWER.encode(digest).into(), millis(life)];
        Ok(self
            .script("put_code", subject, &PUT_CODE, vec![keys::code(subject)], args)
            .await?)
    }

    async fn attempt(&self, subject: &str, tries: u32) -> Result<Option<Digest>, Unavailable> {
        let args = vec![number(tries.into())];
        let digest: Option<String> = self
            .script("attempt", subject, &ATTEMPT, vec![keys::code(subject)], args)
            .await?;
        let digest = digest.and_then(|digest| HEXLOWER.decode(digest.as_bytes()).ok());
        Ok(digest.and_then(|digest| digest.try_into().ok()))
    }

    async fn consume(&self, subject: &str, digest: &Digest) -> Result<bool, Unavailable> {
        let args = vec![HEXLOWER.encode(digest).into()];
        let taken: i64 = self
            .script("consume", subject, &CONSUME, vec![keys::code(subject)], args)
            .await?;
        Ok(taken == 1)
    }
}
