//! Taking requests apart. What cannot be read is answered in the same shape as every other error.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use starling_protocol::{ConversationId, EndSession, ErrorCode, InvalidId, InviteId, Seq, UserId};
use utoipa::IntoParams;

use crate::Rest;
use crate::error::ApiError;

/// A JSON body: an object.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::from_request(request, state).await {
            Ok(Json(Object(value))) => Ok(Self(value)),
            Err(JsonRejection::JsonDataError(error)) => Err(ApiError::new(ErrorCode::Invalid, cause(&error))),
            Err(JsonRejection::JsonSyntaxError(error)) => Err(ApiError::new(
                ErrorCode::Malformed,
                format!("the body is not JSON: {}", cause(&error)),
            )),
            Err(JsonRejection::MissingJsonContentType(_)) => {
                let message = "the body must be JSON: send `Content-Type: application/json`";
                Err(ApiError::new(ErrorCode::Malformed, message)
                    .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
            }
            Err(other) if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let limit = starling_protocol::limits::MAX_FRAME_BYTES;
                Err(ApiError::new(
                    ErrorCode::TooLarge,
                    format!("a body holds at most {limit} bytes"),
                ))
            }
            Err(other) => Err(ApiError::new(ErrorCode::Malformed, other.body_text())),
        }
    }
}

/// What only an object becomes: serde takes an array, too, for a struct with these fields in their order.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// Options behind the `?`.
pub(crate) struct Options<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Options<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(QueryRejection::FailedToDeserializeQueryString(error)) => {
                Err(ApiError::new(ErrorCode::Invalid, cause(&error)))
            }
            Err(other) => Err(ApiError::new(ErrorCode::Malformed, other.body_text())),
        }
    }
}

/// `/v1/conversations/{id}/…`
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InConversation {
    /// Which conversation.
    pub(crate) id: ConversationId,
}

impl<S: Send + Sync> FromRequestParts<S> for InConversation {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(not_utf8)?;
        Ok(Self {
            id: ConversationId::new(id).map_err(bad_id)?,
        })
    }
}

/// `/v1/conversations/{id}/members/{user}`
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MemberOf {
    /// Which conversation.
    pub(crate) id: ConversationId,
    /// Which user, percent-encoded where needed.
    pub(crate) user: UserId,
}

impl<S: Send + Sync> FromRequestParts<S> for MemberOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((id, user)) = path.map_err(not_utf8)?;
        Ok(Self {
            id: ConversationId::new(id).map_err(bad_id)?,
            user: UserId::new(user).map_err(bad_id)?,
        })
    }
}

/// `/v1/conversations/{id}/invites/{invite}`
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InviteOf {
    /// Which conversation.
    pub(crate) id: ConversationId,
    /// Which invite.
    pub(crate) invite: InviteId,
}

impl<S: Send + Sync> FromRequestParts<S> for InviteOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((id, invite)) = path.map_err(not_utf8)?;
        Ok(Self {
            id: ConversationId::new(id).map_err(bad_id)?,
            invite: InviteId::new(invite).map_err(bad_id)?,
        })
    }
}

/// `/v1/conversations/{id}/entries/{seq}/…`
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct EntryOf {
    /// Which conversation.
    pub(crate) id: ConversationId,
    /// Which entry.
    #[param(value_type = u64, minimum = 1)]
    pub(crate) seq: Seq,
}

impl<S: Send + Sync> FromRequestParts<S> for EntryOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((id, seq)) = path.map_err(not_utf8)?;
        Ok(Self {
            id: ConversationId::new(id).map_err(bad_id)?,
            seq: parse_seq(&seq)?,
        })
    }
}

/// `/v1/conversations/{id}/messages/{seq}`
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MessageOf {
    /// Which conversation.
    pub(crate) id: ConversationId,
    /// Which message.
    #[param(value_type = u64, minimum = 1)]
    pub(crate) seq: Seq,
}

impl<S: Send + Sync> FromRequestParts<S> for MessageOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let EntryOf { id, seq } = EntryOf::from_request_parts(parts, state).await?;
        Ok(Self { id, seq })
    }
}

/// `/v1/conversations/{id}/messages/{seq}/reactions/{emoji}`
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ReactionOf {
    /// Which conversation.
    pub(crate) id: ConversationId,
    /// Which message.
    #[param(value_type = u64, minimum = 1)]
    pub(crate) seq: Seq,
    /// With what, percent-encoded: 1 to 32 bytes without control characters or white space.
    pub(crate) emoji: String,
}

impl<S: Send + Sync> FromRequestParts<S> for ReactionOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        let Path((id, seq, emoji)) = path.map_err(not_utf8)?;
        Ok(Self {
            id: ConversationId::new(id).map_err(bad_id)?,
            seq: parse_seq(&seq)?,
            emoji,
        })
    }
}

fn parse_seq(seq: &str) -> Result<Seq, ApiError> {
    seq.parse()
        .map_err(|_| ApiError::new(ErrorCode::Invalid, "`seq` must be a number, 1 at least"))
}

/// `/v1/…/{user}`
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfUser {
    /// Which user, percent-encoded where needed.
    pub(crate) user: UserId,
}

impl<S: Send + Sync> FromRequestParts<S> for OfUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(user) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(not_utf8)?;
        Ok(Self {
            user: UserId::new(user).map_err(bad_id)?,
        })
    }
}

/// `/v1/auth/sessions/{session}`
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfSession {
    /// Which session.
    #[param(pattern = "^[0-9a-f]{32}$")]
    pub(crate) session: String,
}

impl<S: Send + Sync> FromRequestParts<S> for OfSession {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(session) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(not_utf8)?;
        let named = EndSession { session };
        named.check()?;
        Ok(Self {
            session: named.session,
        })
    }
}

/// Whose address a request comes from, proxies that are trusted left out. Unknown ones count as one.
pub(crate) struct CameFrom(pub(crate) IpAddr);

impl FromRequestParts<Arc<Rest>> for CameFrom {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, rest: &Arc<Rest>) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
        Ok(Self((rest.settings.client_address)(peer, &parts.headers)))
    }
}

fn bad_id(error: InvalidId) -> ApiError {
    ApiError::new(ErrorCode::Invalid, error.to_string())
}

fn not_utf8(_: axum::extract::rejection::PathRejection) -> ApiError {
    ApiError::new(ErrorCode::Malformed, "the path is not percent-encoded UTF-8")
}

/// The innermost error: the outer ones name types of the framework.
fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
