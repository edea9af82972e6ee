//! Signing in by phone, the next tokens, signing out, the list of sessions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use starling_protocol::{CodeRequest, CodeSent, Refresh, SignIn, SignOut, SignedInSessions, Tokens};

use crate::Rest;
use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::examples;
use crate::extract::{Body, CameFrom, OfSession};
use crate::openapi::{CodeErrors, OwnErrors, PageErrors, RefreshErrors, SignInErrors};

/// Sends a code to a phone number.
///
/// The answer is the same whether the number is known or not. A code is good for five minutes and five tries, and a
/// new one takes its place.
#[utoipa::path(
    post, path = "/v1/auth/code", tag = "sessions", operation_id = "send_code",
    request_body(content = CodeRequest, example = json!({"phone": "+49 1512 3456789"})),
    responses(
        (status = 202, description = "It is on its way.", body = CodeSent, example = json!(examples::code_sent())),
        CodeErrors
    )
)]
pub(crate) async fn send_code(
    State(rest): State<Arc<Rest>>,
    CameFrom(address): CameFrom,
    Body(request): Body<CodeRequest>,
) -> Result<Response, ApiError> {
    let sent = rest.engine.people().send_code(&request, address).await?;
    Ok((StatusCode::ACCEPTED, secret(sent)).into_response())
}

/// Signs in with a code.
///
/// Who is not known yet is registered. The access token is the bearer token of all other requests and of `/ws`.
#[utoipa::path(
    post, path = "/v1/auth/token", tag = "sessions", operation_id = "sign_in",
    request_body(
        content = SignIn,
        example = json!({"phone": examples::PHONE, "code": "271828", "name": "Alice", "device": "Alice's phone"})
    ),
    responses(
        (status = 200, description = "Signed in.", body = Tokens, example = json!(examples::tokens())),
        SignInErrors
    )
)]
pub(crate) async fn sign_in(
    State(rest): State<Arc<Rest>>,
    CameFrom(address): CameFrom,
    Body(request): Body<SignIn>,
) -> Result<Response, ApiError> {
    let tokens = rest.engine.people().sign_in(request, address).await?;
    Ok(secret(tokens).into_response())
}

/// Takes the next tokens.
///
/// A refresh token is good once. Where the answer does not arrive, the same request within a minute is answered with
/// the same refresh token. One that is shown later than that was copied by someone, and ends the session.
#[utoipa::path(
    post, path = "/v1/auth/refresh", tag = "sessions", operation_id = "refresh_tokens",
    request_body(content = Refresh, example = json!({"refresh_token": examples::tokens().map(|tokens| tokens.refresh_token)})),
    responses(
        (status = 200, description = "The next tokens.", body = Tokens, example = json!(examples::tokens())),
        RefreshErrors
    )
)]
pub(crate) async fn refresh(
    State(rest): State<Arc<Rest>>,
    Body(request): Body<Refresh>,
) -> Result<Response, ApiError> {
    let tokens = rest.engine.people().refresh(&request).await?;
    Ok(secret(tokens).into_response())
}

/// Ends the session that the token belongs to, or all sessions of the user.
///
/// Tokens of an ended session are refused, and its connections closed with 4204, on every node within seconds.
#[utoipa::path(
    post, path = "/v1/auth/sign-out", tag = "sessions", operation_id = "sign_out",
    security(("token" = [])),
    request_body(content = SignOut, example = json!({"everywhere": true})),
    responses((status = 204, description = "Ended."), OwnErrors)
)]
pub(crate) async fn sign_out(
    State(rest): State<Arc<Rest>>,
    SignedIn { user, session, .. }: SignedIn,
    Body(request): Body<SignOut>,
) -> Result<StatusCode, ApiError> {
    let people = rest.engine.people();
    people.sign_out(&user, session.as_ref(), &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the caller's sessions, the newest first.
#[utoipa::path(
    get, path = "/v1/auth/sessions", tag = "sessions", operation_id = "list_sessions",
    security(("token" = [])),
    responses(
        (status = 200, description = "Those that are in force.", body = SignedInSessions, example = json!(examples::sessions())),
        PageErrors
    )
)]
pub(crate) async fn sessions(
    State(rest): State<Arc<Rest>>,
    SignedIn { user, session, .. }: SignedIn,
) -> Result<Json<SignedInSessions>, ApiError> {
    let people = rest.engine.people();
    Ok(Json(people.sessions(&user, session.as_ref()).await?))
}

/// Ends one of the caller's sessions. One that is over, or another's, is left as it is.
#[utoipa::path(
    delete, path = "/v1/auth/sessions/{session}", tag = "sessions", operation_id = "end_session",
    security(("token" = [])),
    params(OfSession),
    responses((status = 204, description = "The caller has no such session any more."), PageErrors)
)]
pub(crate) async fn end_session(
    State(rest): State<Arc<Rest>>,
    SignedIn { user, .. }: SignedIn,
    OfSession { session }: OfSession,
) -> Result<StatusCode, ApiError> {
    rest.engine.people().end_session(&user, &session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Nothing on the way shall keep it.
fn secret<T: Serialize>(body: T) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(body))
}
