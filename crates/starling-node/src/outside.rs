//! Requests to what is outside of the cluster: the operator's webhook, the issuer's keys.

use std::error::Error;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use axum::body::Bytes;
use axum::http::header::USER_AGENT;
use axum::http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

/// Sends requests, over TLS where the URL says so, with the system's authorities. Follows no redirects: a URL is what
/// the operator has set.
pub(crate) struct Outside {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

impl Outside {
    /// Each step of a request takes at most `timeout`: the answer's head, and its body.
    ///
    /// # Errors
    /// Where the system's authorities cannot be read.
    pub(crate) fn new(timeout: Duration) -> Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .context("the system's certificate authorities cannot be read")?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            timeout,
        })
    }

    /// Sends a request. Errors do not name the URL, which may hold a key.
    pub(crate) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        let agent = HeaderValue::from_static(concat!("starling/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        let answer = timeout(self.timeout, self.client.request(request)).await;
        answer
            .map_err(|_| anyhow!("no answer within {:?}", self.timeout))?
            .map_err(|error| anyhow!("{}", cause(&error)))
    }

    /// Reads a body of at most `max` bytes.
    pub(crate) async fn body(&self, answer: Response<Incoming>, max: usize) -> Result<Bytes> {
        let body = timeout(self.timeout, Limited::new(answer.into_body(), max).collect()).await;
        let body = body.map_err(|_| anyhow!("no body within {:?}", self.timeout))?;
        Ok(body.map_err(|error| anyhow!("{error}"))?.to_bytes())
    }
}

/// The innermost error: the outer ones say only that there is one.
fn cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
