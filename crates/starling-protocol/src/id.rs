//! Identifiers: strings with a promise. Construction checks them, so holders need not.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::{INVITE_ID_BYTES, MAX_CLIENT_ID_BYTES, MAX_CONVERSATION_ID_BYTES, MAX_USER_ID_BYTES};

/// Why a string is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}")]
pub struct InvalidId {
    what: &'static str,
    rule: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `value` and takes it.
            ///
            /// # Errors
            /// [`InvalidId`] with the rule that `value` breaks.
            pub fn new(value: impl AsRef<str>) -> Result<Self, InvalidId> {
                let value = value.as_ref();
                let valid: fn(&str) -> bool = $valid;
                if valid(value) { Ok(Self(value.into())) } else { Err(InvalidId { what: $what, rule: $rule }) }
            }

            /// The identifier as it stands on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(value).map_err(serde::de::Error::custom)
            }
        }
    };
}

fn opaque(value: &str, max: usize) -> bool {
    (1..=max).contains(&value.len()) && !value.chars().any(char::is_control)
}

id!(
    /// A user: the `sub` of a token, chosen by whoever issues the tokens.
    UserId,
    "a user id",
    "1 to 128 bytes without control characters",
    |v| opaque(v, MAX_USER_ID_BYTES)
);

id!(
    /// The sender's idempotency key of one entry: (conversation, sender, client id) names one entry for ever.
    ClientId,
    "a client id",
    "1 to 128 bytes without control characters",
    |v| opaque(v, MAX_CLIENT_ID_BYTES)
);

id!(
    /// A conversation. Restricted to characters that need no escaping in URLs and Redis hash tags.
    ConversationId,
    "a conversation id",
    "1 to 128 of the characters A-Z a-z 0-9 . _ : -",
    |v| (1..=MAX_CONVERSATION_ID_BYTES).contains(&v.len())
        && v.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
);

id!(
    /// An invite: the hash of its token, which it does not give away.
    InviteId,
    "an invite's id",
    "32 of the characters a-z 2-7",
    |v| v.len() == INVITE_ID_BYTES && v.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_on_the_way_in() {
        let long = "x".repeat(129);
        for (value, user, conversation) in [
            ("alice", true, true),
            ("", false, false),
            ("a b", true, false),
            ("a\nb", false, false),
            ("{x}", true, false),
            ("ünï", true, false),
            (long.as_str(), false, false),
            (&long[..128], true, true),
        ] {
            assert_eq!(UserId::new(value).is_ok(), user, "user {value:?}");
            assert_eq!(
                ConversationId::new(value).is_ok(),
                conversation,
                "conversation {value:?}"
            );
            let json = serde_json::to_string(value).unwrap();
            assert_eq!(
                serde_json::from_str::<UserId>(&json).is_ok(),
                user,
                "decoded user {value:?}"
            );
        }
    }
}
