//! Asking over HTTP whether something is ready.

use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longer than a readiness check that itself waits for Redis and MongoDB.
const TIMEOUT: Duration = Duration::from_secs(3);

/// `Ok` if the address answers with a status of success; otherwise what it answered.
pub(crate) async fn http_ok(url: &str) -> Result<()> {
    http_text(url).await.map(drop)
}

/// What the address answers with a status of success.
pub(crate) async fn http_text(url: &str) -> Result<String> {
    // A proxy from the environment has no business between processes of one machine.
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
    let response = client
        .get(url)
        .send()
        .await
        .with_context(|| format!("GET {url}"))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response.text().await?);
    }
    let body = response.text().await.unwrap_or_default();
    bail!(
        "GET {url}: {status} {}",
        body.chars().take(500).collect::<String>()
    )
}
