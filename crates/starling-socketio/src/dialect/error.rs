//! The event `error`, and acknowledgements.

use serde::Serialize;
use starling_protocol::{ClientId, CloseCode, Error, ErrorCode};

use crate::live::Live;
use crate::parser::{Frame, Parser};
use crate::pending::Asked;

/// `{ message }`, as both seeds have it, and what a program can branch on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Complaint<'a> {
    pub(super) message: &'a str,
    pub(super) code: &'a str,
    /// The event that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// Which message was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a ClientId>,
}

/// What an acknowledgement says, in the form of the one seed that documents it.
#[derive(Debug, Serialize)]
pub(super) struct Done<T> {
    pub(super) success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<T>,
}

impl<T> Done<T> {
    pub(super) fn with(data: T) -> Self {
        Self {
            success: true,
            data: Some(data),
        }
    }
}

impl Done<()> {
    pub(super) fn plain() -> Self {
        Self {
            success: true,
            data: None,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Failed<'a> {
    pub(super) success: bool,
    #[serde(flatten)]
    pub(super) complaint: Complaint<'a>,
}

pub(super) fn complaint<'a>(asked: &'a Asked, error: &'a Error, key: Option<&'a ClientId>) -> Complaint<'a> {
    Complaint {
        message: &error.message,
        code: error.code.as_str(),
        event: Some(&asked.event),
        retry_after_ms: error.retry_after_ms,
        idempotency_key: key,
    }
}

/// Tells a client that what it asked for was not done.
pub(super) fn complain(live: &Live, asked: &Asked, error: &Error) {
    complain_of(live, asked, error, None);
}

/// Likewise, of a message.
pub(super) fn complain_of(live: &Live, asked: &Asked, error: &Error, key: Option<&ClientId>) {
    live.emit("error", &complaint(asked, error, key));
    let failed = Failed {
        success: false,
        complaint: complaint(asked, error, key),
    };
    live.acknowledge(asked, &failed);
}

/// Tells a client that what it asked for was not done: by the acknowledgement that it waits for, or else by `error`.
pub(super) fn refuse(live: &Live, asked: &Asked, error: &Error) {
    if asked.ack.is_none() {
        return live.emit("error", &complaint(asked, error, None));
    }
    let failed = Failed {
        success: false,
        complaint: complaint(asked, error, None),
    };
    live.acknowledge(asked, &failed);
}

/// As the seeds' servers do: what nobody listens for is passed over. But who waits for an answer gets one.
pub(super) fn unknown_event(live: &Live, asked: &Asked) {
    if asked.ack.is_some() {
        let error = Error::new(ErrorCode::UnknownCommand, "there is no such event");
        refuse(live, asked, &error);
    }
}

/// Why the connection ends.
pub(super) fn farewell(parser: Parser, namespace: &'static str, code: CloseCode) -> Frame {
    let number = code.code().to_string();
    let complaint = Complaint {
        message: code.reason(),
        code: &number,
        event: None,
        retry_after_ms: None,
        idempotency_key: None,
    };
    parser.event(namespace, "error", &complaint)
}
