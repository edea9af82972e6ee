//! The OpenAPI document: made from the types and the routes, so that it cannot differ from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use starling_protocol::{Error, ErrorCode};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::error::ErrorBody;

const DESCRIPTION: &str = "The HTTP side of Starling, for back ends, for tools, and for clients that need no live \
stream. What concerns conversations is also a command of the WebSocket protocol at `/ws`, where a client is told of new \
entries as they come.\n\nEvery error, also of paths and methods that there are not, has the body \
`{\"error\": {\"code\": …, \"message\": …}}`. Branch on the code; the message is for people and may change.";

/// The whole document, as `/openapi.json` has it.
pub fn openapi() -> String {
    json(&complete(crate::rest::routes().into_openapi()))
}

fn json(document: &OpenApi) -> String {
    // Its keys are strings and its values numbers and text: this cannot fail.
    let text = document.to_json().unwrap_or_default();
    // utoipa 6.0 gives OpenAPI's `uint64` a name that nobody knows. Inside of a text the quotes would be escaped.
    text.replace(r#""format":"u-int"#, r#""format":"uint"#)
}

/// What stands before the operations.
pub(crate) fn introduction() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Starling")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(
            LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build(),
        ))
        .build();
    let tag = |name: &str, about: &str| TagBuilder::new().name(name).description(Some(about)).build();
    OpenApiBuilder::new()
        .info(info)
        .tags(Some([
            tag("conversations", "Making and finding conversations."),
            tag("members", "Who is in them."),
            tag("entries", "What is said in them."),
            tag("presence", "Who is there."),
            tag("sessions", "Signing in by phone, and signing out."),
            tag("people", "Profiles, contacts, blocks."),
            tag("administration", "For tokens with the scope `admin`."),
            tag(
                "probes",
                "For orchestrators, balancers and operators; no token is needed.",
            ),
        ]))
        .build()
}

/// Adds what the operations refer to.
pub(crate) fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "A JWT whose `sub` is the user. Administrators' have `admin` in their `scope`.",
        ))
        .build();
    components
        .security_schemes
        .insert("token".into(), SecurityScheme::Http(token).into());
    let mut schemas = vec![(ErrorBody::name().into_owned(), ErrorBody::schema())];
    ErrorBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    document
}

/// The document's bytes.
#[derive(Clone)]
pub(crate) struct Served(Arc<str>);

impl Served {
    pub(crate) fn new(document: &OpenApi) -> Self {
        Self(json(document).into())
    }
}

pub(crate) async fn serve(State(Served(document)): State<Served>) -> Response {
    ([(CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

/// Names sets of errors that operations document.
macro_rules! error_sets {
    ($($(#[$doc:meta])* $name:ident { $($code:ident)+ } $($body:ident)?;)+) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
                    let codes = [$(ErrorCode::$code),+];
                    #[allow(unused_mut, reason = "only some of the sets change it")]
                    let mut by_status = by_status(&codes);
                    $(by_status.insert(415, vec![ErrorCode::$body]);)?
                    by_status.into_iter().map(|(status, codes)| (status.to_string(), response(&codes))).collect()
                }
            }
        )+
    };
}

error_sets! {
    /// Of reading a page that concerns no single conversation.
    PageErrors { Malformed Invalid Unauthenticated Unavailable Internal };
    /// Of reading in a conversation.
    ReadErrors { Malformed Invalid Unauthenticated NotAMember UnknownConversation ConversationDeleted Unavailable Internal };
    /// Of an administrator's reading.
    AdminErrors { Malformed Invalid Unauthenticated Forbidden Unavailable Internal };
    /// Of an administrator's reading in a conversation.
    AdminReadErrors {
        Malformed Invalid Unauthenticated Forbidden UnknownConversation ConversationDeleted Unavailable Internal
    };
    /// Of reading a page of a log.
    HistoryErrors {
        Malformed Invalid CursorAhead Unauthenticated NotAMember UnknownConversation ConversationDeleted Unavailable Internal
    };
    /// Of reading what moderators and admins may.
    ReadAsModeratorErrors {
        Malformed Invalid Unauthenticated Forbidden NotAMember UnknownConversation ConversationDeleted Unavailable Internal
    };
    /// Of ending a membership or a conversation, without a body.
    RequestErrors {
        Malformed Invalid Unauthenticated Forbidden NotAMember UnknownConversation ConversationDeleted Unavailable Unknown Internal
    };
    /// Of joining an open conversation.
    JoinErrors {
        Malformed Invalid Unauthenticated Banned NotOpen UnknownConversation ConversationDeleted Unavailable Unknown Internal
    };
    /// Of leaving.
    LeaveErrors {
        Malformed Invalid Unauthenticated Forbidden NotAMember LastAdmin UnknownConversation ConversationDeleted Unavailable Unknown
        Internal
    };
    /// Of adding members.
    AddErrors {
        Malformed Invalid TooLarge Unauthenticated Forbidden NotAMember Banned UnknownConversation ConversationDeleted Unavailable
        Unknown Internal
    } Malformed;
    /// Of governing a conversation, without a body.
    LiftErrors {
        Malformed Invalid Unauthenticated Forbidden NotAMember UnknownConversation ConversationDeleted RateLimited Unavailable Unknown
        Internal
    };
    /// The same with a body.
    GovernErrors {
        Malformed Invalid TooLarge Unauthenticated Forbidden NotAMember UnknownConversation ConversationDeleted RateLimited Unavailable
        Unknown Internal
    } Malformed;
    /// The same of what concerns one member.
    RoleErrors {
        Malformed Invalid TooLarge Unauthenticated Forbidden NotAMember LastAdmin UnknownConversation ConversationDeleted UnknownUser
        RateLimited Unavailable Unknown Internal
    } Malformed;
    /// Of joining by an invite.
    AcceptErrors {
        Malformed Invalid TooLarge Unauthenticated Banned UnknownInvite UnknownConversation ConversationDeleted RateLimited Unavailable
        Unknown Internal
    } Malformed;
    /// The same with a body.
    ChangeErrors {
        Malformed Invalid TooLarge Unauthenticated Forbidden NotAMember UnknownConversation ConversationDeleted Unavailable
        Unknown Internal
    } Malformed;
    /// Of asking with a body.
    AskErrors { Malformed Invalid TooLarge Unauthenticated Unavailable Internal } Malformed;
    /// The same where a limit holds.
    LimitedErrors { Malformed Invalid TooLarge Unauthenticated RateLimited Unavailable Internal } Malformed;
    /// Of asking what became of an entry.
    StatusErrors {
        Malformed Invalid CursorAhead Unauthenticated Forbidden NotAMember UnknownConversation ConversationDeleted Unavailable Internal
    };
    /// Of setting a mark.
    MarkErrors {
        Malformed Invalid TooLarge CursorAhead Unauthenticated NotAMember UnknownConversation ConversationDeleted Unavailable Internal
    } Malformed;
    /// Of asking for a code.
    CodeErrors { Malformed Invalid TooLarge Forbidden RateLimited Unavailable Internal } Malformed;
    /// Of signing in.
    SignInErrors { Malformed Invalid TooLarge WrongCode Forbidden RateLimited Unavailable Internal } Malformed;
    /// Of taking the next tokens.
    RefreshErrors { Malformed Invalid TooLarge Unauthenticated Forbidden Unavailable Internal } Malformed;
    /// Of changing something of one's own, with a body.
    OwnErrors { Malformed Invalid TooLarge Unauthenticated Unavailable Internal } Malformed;
    /// Of looking at another user.
    UserErrors { Malformed Invalid Unauthenticated UnknownUser Unavailable Internal };
    /// Of adding a contact.
    ContactErrors {
        Malformed Invalid TooLarge Unauthenticated Forbidden UnknownUser RateLimited Unavailable Internal
    } Malformed;
    /// Of blocking another user.
    BlockErrors { Malformed Invalid Unauthenticated UnknownUser RateLimited Unavailable Internal };
    /// Of sending.
    SendErrors {
        Malformed Invalid TooLarge LamportAhead Unauthenticated Forbidden NotAMember Muted UnknownConversation ConversationDeleted
        UnknownMessage RateLimited Unavailable Unknown Internal
    } Malformed;
    /// Of changing a message, with a body.
    EditErrors {
        Malformed Invalid TooLarge Unauthenticated Forbidden NotAMember Muted UnknownConversation ConversationDeleted UnknownMessage
        RateLimited Unavailable Unknown Internal
    } Malformed;
    /// Of deleting a message, or reacting to it.
    AlterErrors {
        Malformed Invalid Unauthenticated Forbidden NotAMember Muted UnknownConversation ConversationDeleted UnknownMessage RateLimited
        Unavailable Unknown Internal
    };
}

fn by_status(codes: &[ErrorCode]) -> BTreeMap<u16, Vec<ErrorCode>> {
    let mut grouped = BTreeMap::<_, Vec<_>>::new();
    for code in codes {
        grouped.entry(code.http_status()).or_default().push(*code);
    }
    grouped
}

fn response(codes: &[ErrorCode]) -> RefOr<utoipa::openapi::Response> {
    let description: Vec<_> = codes
        .iter()
        .map(|code| format!("`{code}`: {}", meaning(*code)))
        .collect();
    let schema = Ref::from_schema_name(ErrorBody::name());
    let examples = codes.iter().map(|code| {
        (
            code.as_str(),
            ExampleBuilder::new().value(Some(example(*code))).build(),
        )
    });
    let content = ContentBuilder::new()
        .schema(Some(schema))
        .examples_from_iter(examples)
        .build();
    ResponseBuilder::new()
        .description(description.join("\n\n"))
        .content("application/json", content)
        .build()
        .into()
}

/// The protocol's words speak of frames.
fn meaning(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Malformed => "The request cannot be read: its body is not JSON, or its path not UTF-8.",
        ErrorCode::TooLarge => "The body is larger than 64 KiB.",
        other => other.meaning().trim(),
    }
}

fn example(code: ErrorCode) -> Value {
    let mut error = Error::new(code, meaning(code));
    if code.http_status() == 429 || code == ErrorCode::Unavailable {
        error = error.retry_after(250);
    }
    json!(ErrorBody { error })
}
