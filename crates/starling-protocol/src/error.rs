//! Errors that clients branch on: a stable code, and a sentence for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A refusal, or (with [`ErrorCode::Unknown`]) the admission that the outcome is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "openapi",
    schema(description = "A refusal; with the code `unknown`, that the outcome is not known.")
)]
#[error("{message} ({code})")]
pub struct Error {
    /// What to branch on.
    pub code: ErrorCode,
    /// A sentence for people; may change.
    pub message: String,
    /// Wait at least this long before the next try, where waiting helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Error {
    /// An error with a sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_ms: None,
        }
    }

    /// The same with a time to wait.
    pub fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }
}

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:literal;)+) => {
        /// A stable code. Its HTTP status is what REST answers with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl ErrorCode {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it means, for the documentation.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }

            /// The HTTP status that goes with it.
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }
        }
    };
}

error_codes! {
    /// The frame is not valid JSON or MessagePack, or not a map with an id and one command.
    Malformed = "malformed", 400;
    /// There is no such command.
    UnknownCommand = "unknown_command", 404;
    /// A field is missing, unknown, or out of its bounds; the sentence says which.
    Invalid = "invalid", 422;
    /// The frame is larger than 64 KiB.
    TooLarge = "too_large", 413;
    /// There is no token, or it is malformed, unsigned, expired, or of another issuer or audience.
    Unauthenticated = "unauthenticated", 401;
    /// The user's role does not allow it, or the kind of conversation does not.
    Forbidden = "forbidden", 403;
    /// The user is not a member of the conversation.
    NotAMember = "not_a_member", 403;
    /// There is no such conversation.
    UnknownConversation = "unknown_conversation", 404;
    /// The conversation was deleted for all.
    ConversationDeleted = "conversation_deleted", 410;
    /// The user is banned from the conversation.
    Banned = "banned", 403;
    /// The user is muted in the conversation: he reads, and does not speak.
    Muted = "muted", 403;
    /// The conversation is not open: one becomes a member by an invite, or is added.
    NotOpen = "not_open", 403;
    /// There is no such invite, or it has expired, was revoked or is used up.
    UnknownInvite = "unknown_invite", 404;
    /// The last admin hands over before he leaves or steps down.
    LastAdmin = "last_admin", 409;
    /// There is no such user, or no such member.
    UnknownUser = "unknown_user", 404;
    /// The code is wrong, too old, or was tried too often; ask for a new one.
    WrongCode = "wrong_code", 401;
    /// There is no such message in the conversation, or it was deleted.
    UnknownMessage = "unknown_message", 404;
    /// The Lamport stamp is too far ahead of the conversation's clock.
    LamportAhead = "lamport_ahead", 422;
    /// The cursor or mark is past the conversation's head.
    CursorAhead = "cursor_ahead", 422;
    /// The user sends faster than the limit; `retry_after_ms` says when to go on.
    RateLimited = "rate_limited", 429;
    /// The user has as many connections as are allowed.
    TooManyConnections = "too_many_connections", 429;
    /// The node cannot do it now; nothing was stored. Try again.
    Unavailable = "unavailable", 503;
    /// Whether it is stored is not known. Send it again with the same client id.
    Unknown = "unknown", 504;
    /// A fault in Starling. Nothing is known about the outcome.
    Internal = "internal", 500;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
