//! Reading what clients send. Fields that are not known are passed over, as the systems did that they were written for.

use serde::de::DeserializeOwned;
use serde_json::Value;
use starling_protocol::{ClientId, Error, ErrorCode, UserId};
use uuid::Uuid;

use crate::live::Live;
use crate::token::not_yours;

/// Reads an event's payload.
///
/// # Errors
/// `invalid`, with what is wrong.
pub(super) fn read<T: DeserializeOwned>(payload: Value) -> Result<T, Error> {
    serde_json::from_value(payload).map_err(|error| invalid(error.to_string()))
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::Invalid, message)
}

/// Whether a user whom a payload names is the one whose connection it is. The token decides who that is; a client that
/// says otherwise is mistaken.
///
/// # Errors
/// `forbidden`.
pub(super) fn check_own(live: &Live, named: Option<&UserId>) -> Result<(), Error> {
    match named {
        Some(user) if user != live.user() => Err(not_yours()),
        _ => Ok(()),
    }
}

/// A key for a message that came without one.
///
/// # Errors
/// None that can be: a UUID is a key.
pub(super) fn fresh_key() -> Result<ClientId, Error> {
    ClientId::new(Uuid::new_v4().simple().to_string())
        .map_err(|invalid| Error::new(ErrorCode::Internal, invalid.to_string()))
}
