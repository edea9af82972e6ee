//! Schemas that cannot be derived: identifiers with their bounds, error codes with their meanings.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::limits::{INVITE_ID_BYTES, MAX_CLIENT_ID_BYTES, MAX_CONVERSATION_ID_BYTES, MAX_USER_ID_BYTES};
use crate::{ClientId, ConversationId, ErrorCode, InviteId, UserId};

macro_rules! schemas {
    ($($type:ident: $schema:expr;)+) => {
        $(
            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> {
                    $schema.build().into()
                }
            }

            impl ToSchema for $type {
                fn name() -> Cow<'static, str> {
                    stringify!($type).into()
                }
            }
        )+
    };
}

schemas! {
    UserId: id("A user: the `sub` of a token.", MAX_USER_ID_BYTES, OPAQUE, "alice");
    ClientId: id("An idempotency key, chosen by the client.", MAX_CLIENT_ID_BYTES, OPAQUE, "5f0c9e0a");
    ConversationId: id("A conversation.", MAX_CONVERSATION_ID_BYTES, "^[A-Za-z0-9._:-]+$", "0198c8a4b3f07d0e9a4f6f1d2c3b4a59");
    InviteId: id("An invite.", INVITE_ID_BYTES, "^[a-z2-7]{32}$", "mfrggzdfmztwq2lknnwg23tpobyxe43u");
    ErrorCode: text("What to branch on.").enum_values(Some(ErrorCode::ALL.iter().map(|code| code.as_str())));
}

/// No control characters. The bounds are in bytes, which no schema can say.
const OPAQUE: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";

fn id(about: &str, max: usize, pattern: &str, example: &str) -> ObjectBuilder {
    text(about)
        .min_length(Some(1))
        .max_length(Some(max))
        .pattern(Some(pattern))
        .examples([example])
}

fn text(about: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .description(Some(about))
}
