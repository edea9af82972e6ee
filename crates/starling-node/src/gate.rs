//! What the node answers before it can serve: that it is alive, and that it is not ready.
//!
//! The port is open from the start, so that a wrong address is found at once, and so that an orchestrator does
//! not take a node that waits for MongoDB for a dead one and restart it over and over.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::json;
use tower::ServiceExt;

/// Closed until the application is there.
#[derive(Default)]
pub(crate) struct Gate {
    application: OnceLock<Router>,
    waiting_for: Mutex<String>,
}

impl Gate {
    /// What to serve from the start.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(pass).with_state(Arc::clone(self))
    }

    /// What to say to those who ask for more than a sign of life.
    pub(crate) fn wait_for(&self, what: impl Into<String>) {
        *self.waiting_for.lock() = what.into();
    }

    /// Serves the application from here on.
    pub(crate) fn open(&self, application: Router) {
        // There is one application in the life of a node.
        let _ = self.application.set(application);
    }
}

async fn pass(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    match gate.application.get() {
        Some(application) => match application.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        None if request.uri().path() == "/livez" => {
            (StatusCode::OK, axum::Json(json!({"status": "alive"}))).into_response()
        }
        None => {
            let message = format!("the node is starting: {}", gate.waiting_for.lock());
            let body = json!({"error": {"code": "unavailable", "message": message, "retry_after_ms": 1000}});
            (
                StatusCode::SERVICE_UNAVAILABLE,
                [(RETRY_AFTER, "1")],
                axum::Json(body),
            )
                .into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;

    use super::*;

    async fn status(gate: &Arc<Gate>, path: &str) -> u16 {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        gate.router().oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn a_closed_gate_lets_only_liveness_through() {
        let gate = Arc::new(Gate::default());
        assert_eq!(status(&gate, "/livez").await, 200);
        assert_eq!(status(&gate, "/readyz").await, 503);
        assert_eq!(status(&gate, "/ws").await, 503);
        gate.open(Router::new().route("/ws", get(async || "served")));
        assert_eq!(status(&gate, "/ws").await, 200);
        assert_eq!(status(&gate, "/livez").await, 404);
    }
}
