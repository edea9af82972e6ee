//! What the dialects' routes have in common: who asks, what he says, and what he is told when it does not work.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, FromRequestParts, Path, Query, Request};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use starling_core::Identity;
use starling_protocol::limits::MAX_FRAME_BYTES;
use starling_protocol::{Error, ErrorCode, UserId};

use super::payload::invalid;
use crate::SocketIo;
use crate::asker::Asker;
use crate::token::{Shown, identify, not_yours};

/// One route of a dialect.
pub(super) struct Route {
    /// What its page calls it.
    #[cfg_attr(not(test), allow(dead_code, reason = "what the pages are held to"))]
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    handler: MethodRouter<SocketIo>,
}

macro_rules! methods {
    ($($function:ident = $method:literal,)*) => {
        $(pub(super) fn $function<H: Handler<T, SocketIo>, T: 'static>(path: &'static str, handler: H) -> Route {
            Route { method: $method, path, handler: routing::$function(handler) }
        })*
    };
}
methods! { get = "GET", post = "POST", put = "PUT", delete = "DELETE", }

/// Serves them.
pub(super) fn router(routes: impl IntoIterator<Item = Route>, server: SocketIo) -> Router {
    let mut router = Router::new();
    for Route { path, handler, .. } in routes {
        router = router.route(path, handler);
    }
    router
        .with_state(server)
        .layer(DefaultBodyLimit::max(MAX_FRAME_BYTES))
}

/// What went wrong, in the form of the answers that did not.
#[derive(Debug)]
pub(super) struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            success: bool,
            message: String,
            code: ErrorCode,
        }
        let Error {
            code,
            message,
            retry_after_ms,
        } = self.0;
        let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = Body {
            success: false,
            message,
            code,
        };
        let mut response = (status, Json(body)).into_response();
        if let Some(ms) = retry_after_ms {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, ms.div_ceil(1_000).into());
        }
        response
    }
}

/// Who asks.
pub(super) struct Caller(pub(super) Identity);

impl Caller {
    pub(super) fn user(&self) -> &UserId {
        &self.0.user
    }

    /// The caller, at the entrance.
    pub(super) fn asker<'a>(&'a self, server: &'a SocketIo) -> Asker<'a> {
        Asker {
            server,
            user: self.user(),
        }
    }

    /// Whether a user whom the request names is the one who asks.
    ///
    /// # Errors
    /// `forbidden`.
    pub(super) fn check(&self, named: Option<&UserId>) -> Result<(), Error> {
        match named {
            Some(user) if user != self.user() => Err(not_yours()),
            _ => Ok(()),
        }
    }
}

impl FromRequestParts<SocketIo> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, server: &SocketIo) -> Result<Self, Failure> {
        let Shown::Identity(identity) = identify(server, parts, &Value::Null).await? else {
            return Err(Error::new(ErrorCode::Unauthenticated, "Not authenticated").into());
        };
        let engine = server.engine();
        engine.saw_user(&identity.user, identity.name.as_deref()).await;
        Ok(Self(identity))
    }
}

/// What stands in the path.
pub(super) struct InPath<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<SocketIo> for InPath<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, server: &SocketIo) -> Result<Self, Failure> {
        match Path::from_request_parts(parts, server).await {
            Ok(Path(found)) => Ok(Self(found)),
            Err(rejection) => Err(invalid(rejection.body_text()).into()),
        }
    }
}

/// What stands in the query.
pub(super) struct InQuery<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<SocketIo> for InQuery<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &SocketIo) -> Result<Self, Failure> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(found)) => Ok(Self(found)),
            Err(rejection) => Err(invalid(rejection.body_text()).into()),
        }
    }
}

/// What is said in the body, in JSON.
pub(super) struct InBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<SocketIo> for InBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, server: &SocketIo) -> Result<Self, Failure> {
        let bytes = Bytes::from_request(request, server).await;
        let bytes = bytes.map_err(|rejection| invalid(rejection.body_text()))?;
        let said: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Error::new(ErrorCode::Malformed, format!("the body is no JSON: {error}")))?;
        Ok(Self(super::payload::read(said)?))
    }
}

/// Where the request comes from.
pub(super) struct CameFrom(pub(super) IpAddr);

impl FromRequestParts<SocketIo> for CameFrom {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, server: &SocketIo) -> Result<Self, Failure> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
        Ok(Self(server.settings().client_address.of(peer, &parts.headers)))
    }
}
