//! One span, one count and one time for each request.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::{Instrument, debug, info_span};

/// What stands for paths that are no route: the paths themselves are without number.
const NO_ROUTE: &str = "none";

pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().as_str().to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or(NO_ROUTE, MatchedPath::as_str)
        .to_owned();
    let span = info_span!("http", otel.name = format!("{method} {route}"), method, route);
    let response = next.run(request).instrument(span.clone()).await;
    let (status, seconds) = (response.status().as_u16(), started.elapsed().as_secs_f64());
    span.in_scope(|| debug!(status, seconds, "answered"));
    // Methods may be made up by whoever calls.
    let known = matches!(
        method.as_str(),
        "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS"
    );
    let method = if known { method } else { "other".to_owned() };
    metrics::counter!(
        "starling_http_requests_total",
        "method" => method.clone(), "route" => route.clone(), "status" => status.to_string()
    )
    .increment(1);
    metrics::histogram!("starling_http_request_seconds", "method" => method, "route" => route)
        .record(seconds);
    response
}
