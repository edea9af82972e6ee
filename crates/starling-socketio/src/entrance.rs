//! The route: from an HTTP request to the engine.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use engineioxide::config::EngineIoConfig;
use engineioxide::service::EngineIoService;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::json;
use tower::ServiceExt;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::dialect;
use crate::handler::Handler;
use crate::telemetry::Refusal;
use crate::{Origins, SocketIo};

const PATH: &str = "/socket.io";
/// As Node.js' server has it.
const MAX_MESSAGE_BYTES: usize = 1_000_000;
/// Most connections are idle and their messages small.
const READ_BUFFER_BYTES: usize = 1 << 10;
/// Packets that wait in the engine for its transport. What waits behind them is bounded in bytes.
const ENGINE_BUFFER: usize = 256;
/// Tells a balancer which session began with this response, so that later polls find the same node. Only in the
/// answer to the client whose session it is, which has it in its body.
const SESSION: HeaderName = HeaderName::from_static("x-engine-sid");
/// Of a request nothing else is looked at later; see [`compact`].
const KEPT: [HeaderName; 3] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    HeaderName::from_static("sec-websocket-key"),
];

type Service = EngineIoService<Handler>;

/// The route `/socket.io/`, and those of the dialects for programs without a socket.
pub fn router(server: SocketIo) -> Router {
    let settings = server.settings();
    let config = EngineIoConfig::builder()
        .req_path(PATH)
        .ping_interval(settings.heartbeat)
        .ping_timeout(settings.heartbeat_timeout)
        .max_buffer_size(ENGINE_BUFFER)
        .max_payload(MAX_MESSAGE_BYTES as u64)
        .ws_read_buffer_size(READ_BUFFER_BYTES)
        .ws_max_message_size(MAX_MESSAGE_BYTES)
        .ws_max_frame_size(MAX_MESSAGE_BYTES)
        .build();
    let cors = cors(&settings.origins);
    let rest = dialect::router(server.clone());
    let service = EngineIoService::with_config(Arc::new(Handler::new(server)), config);
    let router = Router::new()
        .route("/socket.io/", any(enter))
        .route(PATH, any(enter))
        .with_state(service)
        .merge(rest);
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

async fn enter(State(service): State<Service>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parameter(&parts.uri, "EIO") == Some("3") {
        Refusal::OldProtocol.record();
        return too_old();
    }
    let begins = parts.method == Method::GET
        && parameter(&parts.uri, "transport") == Some("polling")
        && parameter(&parts.uri, "sid").is_none();
    let request = Request::from_parts(compact(parts), body);
    let response = match service.oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    };
    if begins { named(response).await } else { response }
}

/// The engine keeps the request for as long as the connection lives, and hyper's parts of it share one buffer of
/// 16 KiB: copied, they take what they need.
fn compact(mut parts: Parts) -> Parts {
    let mut headers = HeaderMap::with_capacity(KEPT.len());
    for name in KEPT {
        let value = parts
            .headers
            .get(&name)
            .map(|value| HeaderValue::from_bytes(value.as_bytes()));
        if let Some(Ok(value)) = value {
            headers.insert(name, value);
        }
    }
    parts.headers = headers;
    let uri = parts.uri.path_and_query().map(|path| path.as_str().parse());
    parts.uri = match uri {
        Some(Ok(uri)) => uri,
        _ => Uri::default(),
    };
    parts
}

fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .into_iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// What Node.js' server says, with a sentence that helps.
fn too_old() -> Response {
    let message = "Unsupported protocol version: this server speaks Engine.IO 4. \
                   Use a Socket.IO client of version 3 or later (JavaScript: socket.io-client 4)";
    (
        StatusCode::BAD_REQUEST,
        Json(json!({ "code": 5, "message": message })),
    )
        .into_response()
}

/// Puts the session's id into a header of the response that begins it.
async fn named(response: Response) -> Response {
    #[derive(Deserialize)]
    struct Open {
        sid: String,
    }
    let (mut parts, body) = response.into_parts();
    // It is made whole in memory: this does not fail.
    let bytes = body
        .collect()
        .await
        .map_or_else(|_| Bytes::new(), |body| body.to_bytes());
    let open = bytes
        .strip_prefix(b"0")
        .and_then(|open| serde_json::from_slice::<Open>(open).ok());
    if let Some(sid) = open.and_then(|open| HeaderValue::try_from(open.sid).ok()) {
        parts.headers.insert(SESSION, sid);
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn cors(origins: &Origins) -> Option<CorsLayer> {
    let allowed = match origins {
        Origins::Same => return None,
        Origins::Any => AllowOrigin::any(),
        Origins::List(origins) => AllowOrigin::list(
            origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok()),
        ),
    };
    let cors = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .max_age(Duration::from_secs(3_600));
    Some(cors)
}
