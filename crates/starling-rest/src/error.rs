//! One shape for every error.

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use starling_protocol::{Error, ErrorCode};
use utoipa::ToSchema;

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// What went wrong.
    pub(crate) error: Error,
}

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    error: Error,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Error::new(code, message).into()
    }

    /// Where HTTP has a more telling status than the one that goes with the code.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn no_route(method: &Method, uri: &Uri) -> Self {
        Self::new(
            ErrorCode::UnknownCommand,
            format!("there is no {method} {}", uri.path()),
        )
    }

    /// The header `Allow` says which methods there are.
    pub(crate) fn method_not_allowed(method: &Method, uri: &Uri) -> Self {
        Self::no_route(method, uri).with_status(StatusCode::METHOD_NOT_ALLOWED)
    }

    /// The engine answered with something that does not belong to the command.
    pub(crate) fn unexpected_reply() -> Self {
        Self::new(
            ErrorCode::Internal,
            "the engine gave an answer that belongs to another command",
        )
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let status =
            StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, error }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, error } = self;
        let retry_after = error.retry_after_ms.map(|ms| ms.div_ceil(1_000));
        let mut response = (status, Json(ErrorBody { error })).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
