//! From the HTTP request to a WebSocket: subprotocol and token.
//!
//! What is refused here is refused in HTTP, with the protocol's error as the JSON body. Browsers do not show that
//! to their programs, but every other client, every proxy log and `curl` does. What depends on the engine (the
//! limit of connections) is refused after the upgrade, with an error event and a close code, which browsers show.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use starling_protocol::limits::MAX_FRAME_BYTES;
use starling_protocol::{Codec, Error, ErrorCode};
use tracing::Instrument;

use crate::connection::{self, Arrival};
use crate::forwarded::client_address;
use crate::telemetry::Outcome;
use crate::{Gateway, GatewaySettings};

/// Most connections are idle and their messages small. (axum's default, 128 KiB, is zeroed at every poll.)
const READ_BUFFER_BYTES: usize = 1 << 10;
/// Bytes that are gathered before they are written. There is no maximum: the writer waits for room before it
/// feeds the next frame, so no more than one frame is ever held beyond this, and a frame that is larger than
/// some maximum (a page of long messages) would end its connection.
const WRITE_BUFFER_BYTES: usize = 8 << 10;
pub(crate) async fn upgrade(State(gateway): State<Gateway>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    match accept(gateway, &mut parts).await {
        Ok(response) => response,
        Err(refusal) => {
            refusal.outcome.record();
            tracing::debug!(code = %refusal.error.code, "handshake refused: {}", refusal.error.message);
            refusal.into_response()
        }
    }
}

async fn accept(gateway: Gateway, parts: &mut Parts) -> Result<Response, Refusal> {
    let mut upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await?;
    let (codec, named) = choose_codec(&parts.headers)?;
    let arrival = match token(parts)? {
        Some(token) => Arrival::Authenticated(gateway.authenticate(&token).await?),
        None => match gateway.pending().clone().try_acquire_owned() {
            Ok(place) => Arrival::Pending(place),
            Err(_) => {
                let message = "too many connections wait for their authentication";
                return Err(Error::new(ErrorCode::Unavailable, message).into());
            }
        },
    };
    let peer = peer(parts, gateway.settings());
    let span = tracing::debug_span!("connection", peer = peer.map(tracing::field::display));
    if let Some(named) = named {
        upgrade.set_selected_protocol(named);
    }
    let failed = span.clone();
    Ok(upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(MAX_FRAME_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .on_failed_upgrade(move |error| failed.in_scope(|| tracing::debug!(%error, "upgrade failed")))
        .on_upgrade(move |socket| connection::serve(gateway, codec, arrival, socket).instrument(span)))
}

/// The first of the client's subprotocols that is known; JSON, unnamed, where it asks for none. (axum offers
/// what was asked for as a sorted set; the client's order would be lost.)
fn choose_codec(headers: &HeaderMap) -> Result<(Codec, Option<HeaderValue>), Refusal> {
    let requested = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut requested = requested
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .peekable();
    if requested.peek().is_none() {
        return Ok((Codec::Json, None));
    }
    let mut names = requested.filter_map(|name| std::str::from_utf8(name.trim_ascii()).ok());
    match names.find_map(Codec::from_subprotocol) {
        Some(codec) => Ok((codec, Some(HeaderValue::from_static(codec.subprotocol())))),
        None => {
            let known: Vec<_> = Codec::ALL.iter().map(|codec| codec.subprotocol()).collect();
            let message = format!(
                "none of the requested subprotocols is known; use {}",
                known.join(" or ")
            );
            Err(Refusal {
                status: StatusCode::BAD_REQUEST,
                outcome: Outcome::BadHandshake,
                error: Error::new(ErrorCode::Invalid, message),
            })
        }
    }
}

/// The token of the handshake: the `Authorization` header's, else the query's.
fn token(parts: &Parts) -> Result<Option<String>, Refusal> {
    #[derive(Deserialize)]
    struct Parameters {
        token: Option<String>,
    }
    let unauthenticated = |message| Error::new(ErrorCode::Unauthenticated, message);
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let credentials = value.to_str().ok().and_then(|value| value.split_once(' '));
        return match credentials {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok(Some(token.trim().to_owned()))
            }
            _ => Err(unauthenticated("the Authorization header is not `Bearer <token>`").into()),
        };
    }
    match Query::<Parameters>::try_from_uri(&parts.uri) {
        Ok(Query(parameters)) => Ok(parameters.token),
        Err(_) => Err(unauthenticated("the query is not `token=<token>`").into()),
    }
}

fn peer(parts: &Parts, settings: &GatewaySettings) -> Option<IpAddr> {
    let ConnectInfo(address) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(client_address(
        address.ip(),
        &parts.headers,
        &settings.trusted_proxies,
    ))
}

/// A handshake that is refused in HTTP.
struct Refusal {
    status: StatusCode,
    outcome: Outcome,
    error: Error,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status =
            StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let outcome = match error.code {
            ErrorCode::Unauthenticated => Outcome::Unauthenticated,
            _ => Outcome::Unavailable,
        };
        Self {
            status,
            outcome,
            error,
        }
    }
}

impl From<WebSocketUpgradeRejection> for Refusal {
    fn from(rejection: WebSocketUpgradeRejection) -> Self {
        Self {
            status: rejection.status(),
            outcome: Outcome::BadHandshake,
            error: Error::new(ErrorCode::Malformed, rejection.body_text()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: Error,
        }
        let mut response = (self.status, Json(Body { error: self.error })).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
