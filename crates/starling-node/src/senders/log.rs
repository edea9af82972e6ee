//! Writes codes into the log. In development only: whoever reads the log signs in as anyone.

use std::time::Duration;

use async_trait::async_trait;
use starling_core::people::Phone;
use starling_core::ports::{CodeSender, Unavailable};

#[derive(Debug)]
pub(crate) struct LogSender;

#[async_trait]
impl CodeSender for LogSender {
    async fn send(&self, phone: &Phone, code: &str, _life: Duration) -> Result<(), Unavailable> {
        tracing::info!(phone = phone.as_str(), code, "a code to sign in with");
        Ok(())
    }
}
