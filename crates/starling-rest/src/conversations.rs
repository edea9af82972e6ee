//! Conversations: make, list, read, join, leave, mark as delivered.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use starling_protocol::{
    AskStats, Command, ConversationId, ConversationStats, ConversationSummary, Conversations, Create,
    Delivered, Dissolve, Hide, Join, Leave, List, Member, Read, Reply, Sent, Seq,
};
use utoipa::{IntoParams, ToSchema};

use crate::Rest;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::examples;
use crate::extract::{Body, InConversation, Options};
use crate::openapi::{
    ChangeErrors, JoinErrors, LeaveErrors, MarkErrors, PageErrors, ReadErrors, RequestErrors,
};
use crate::statistics::StatsOptions;

type Answer<T> = Result<Json<T>, ApiError>;

/// One conversation with its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ConversationDetails {
    /// The conversation as the caller sees it.
    pub(crate) conversation: ConversationSummary,
    /// Its present members.
    pub(crate) members: Vec<Member>,
}

/// Which page of the caller's conversations.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListOptions {
    /// The last conversation of the page before (its `next`).
    after: Option<ConversationId>,
    /// 1 to 200 conversations, 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// For whom a conversation is deleted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteOptions {
    /// `me`: the caller; `all`: everybody.
    #[serde(rename = "for")]
    #[param(inline)]
    for_whom: ForWhom,
}

/// For whom a conversation is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ForWhom {
    /// The caller.
    Me,
    /// Everybody.
    All,
}

/// A mark in a log.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    /// The last entry that the client has.
    #[schema(value_type = u64)]
    seq: Seq,
}

/// Makes a conversation.
///
/// The caller becomes its admin. Direct conversations exist once for each pair of users; a group that is made
/// with a `client_id` exists once for that id: to ask again is safe, and answers with the one that there is.
#[utoipa::path(
    post, path = "/v1/conversations", tag = "conversations", operation_id = "create_conversation",
    security(("token" = [])),
    request_body(content = Create, example = json!(examples::create())),
    responses(
        (status = 201, description = "It exists.", body = ConversationSummary, example = json!(examples::summary())),
        ChangeErrors
    )
)]
pub(crate) async fn create(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    Body(create): Body<Create>,
) -> Result<(StatusCode, Json<ConversationSummary>), ApiError> {
    match rest.execute(&caller, Command::Create(create)).await? {
        Reply::Conversation(summary) => Ok((StatusCode::CREATED, Json(summary))),
        _ => Err(ApiError::unexpected_reply()),
    }
}

/// Lists the caller's conversations, by id.
#[utoipa::path(
    get, path = "/v1/conversations", tag = "conversations", operation_id = "list_conversations",
    security(("token" = [])),
    params(ListOptions),
    responses(
        (status = 200, description = "A page.", body = Conversations, example = json!(examples::conversations())),
        PageErrors
    )
)]
pub(crate) async fn list(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    Options(ListOptions { after, limit }): Options<ListOptions>,
) -> Answer<Conversations> {
    match rest
        .execute(&caller, Command::List(List { after, limit }))
        .await?
    {
        Reply::Conversations(page) => Ok(Json(page)),
        _ => Err(ApiError::unexpected_reply()),
    }
}

/// Reads one conversation and its members.
#[utoipa::path(
    get, path = "/v1/conversations/{id}", tag = "conversations", operation_id = "read_conversation",
    security(("token" = [])),
    params(InConversation),
    responses(
        (status = 200, description = "The conversation.", body = ConversationDetails, example = json!(examples::details())),
        ReadErrors
    )
)]
pub(crate) async fn read(
    State(rest): State<Arc<Rest>>,
    Caller(user): Caller,
    InConversation { id }: InConversation,
) -> Answer<ConversationDetails> {
    let (conversation, members) = rest.engine.conversation(&user, &id).await?;
    Ok(Json(ConversationDetails {
        conversation,
        members,
    }))
}

/// Deletes a conversation for the caller, or for all.
///
/// For the caller (`for=me`): it is off his list until something new is said in it. For all (`for=all`), which admins do:
/// what was said is gone, and nobody reads, lists or sends there any more. Direct conversations are not deleted for all.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}", tag = "conversations", operation_id = "delete_conversation",
    security(("token" = [])),
    params(InConversation, DeleteOptions),
    responses((status = 204, description = "It is deleted."), RequestErrors)
)]
pub(crate) async fn delete(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id: conversation }: InConversation,
    Options(DeleteOptions { for_whom }): Options<DeleteOptions>,
) -> Result<StatusCode, ApiError> {
    match for_whom {
        ForWhom::Me => drop(
            rest.execute(&caller, Command::Hide(Hide { conversation }))
                .await?,
        ),
        ForWhom::All => {
            rest.store(&caller, Command::Dissolve(Dissolve { conversation }))
                .await?;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Counts what was said in a conversation, by how many, and on which days.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/stats", tag = "conversations", operation_id = "read_conversation_stats",
    security(("token" = [])),
    params(InConversation, StatsOptions),
    responses(
        (status = 200, description = "The numbers.", body = ConversationStats, example = json!(examples::stats())),
        ReadErrors
    )
)]
pub(crate) async fn stats(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id: conversation }: InConversation,
    Options(StatsOptions { days }): Options<StatsOptions>,
) -> Answer<ConversationStats> {
    match rest
        .execute(&caller, Command::Stats(AskStats { conversation, days }))
        .await?
    {
        Reply::Stats(stats) => Ok(Json(stats)),
        _ => Err(ApiError::unexpected_reply()),
    }
}

/// Becomes a member of an open conversation.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/join", tag = "members", operation_id = "join_conversation",
    security(("token" = [])),
    params(InConversation),
    responses(
        (status = 200, description = "The caller is a member from this entry on.", body = Sent, example = json!(examples::change())),
        JoinErrors
    )
)]
pub(crate) async fn join(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id }: InConversation,
) -> Answer<Sent> {
    rest.store(&caller, Command::Join(Join { conversation: id }))
        .await
        .map(Json)
}

/// Ends the caller's membership.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/leave", tag = "members", operation_id = "leave_conversation",
    security(("token" = [])),
    params(InConversation),
    responses(
        (status = 200, description = "The caller is no member from this entry on.", body = Sent, example = json!(examples::change())),
        LeaveErrors
    )
)]
pub(crate) async fn leave(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id }: InConversation,
) -> Answer<Sent> {
    rest.store(&caller, Command::Leave(Leave { conversation: id }))
        .await
        .map(Json)
}

/// Marks everything up to an entry as delivered to the caller.
///
/// The mark never goes back: a lower one than there is changes nothing.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/delivered", tag = "entries", operation_id = "mark_delivered",
    security(("token" = [])),
    params(InConversation),
    request_body(content = Mark, example = json!({"seq": 4})),
    responses((status = 204, description = "The mark is there, or further on."), MarkErrors)
)]
pub(crate) async fn delivered(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id }: InConversation,
    Body(Mark { seq }): Body<Mark>,
) -> Result<StatusCode, ApiError> {
    rest.execute(
        &caller,
        Command::Delivered(Delivered {
            conversation: id,
            seq,
        }),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Marks everything up to an entry as read by the caller, and as delivered.
///
/// The mark never goes back: a lower one than there is changes nothing. Unread counts start after it.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/read", tag = "entries", operation_id = "mark_read",
    security(("token" = [])),
    params(InConversation),
    request_body(content = Mark, example = json!({"seq": 4})),
    responses((status = 204, description = "The mark is there, or further on."), MarkErrors)
)]
pub(crate) async fn mark_read(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id }: InConversation,
    Body(Mark { seq }): Body<Mark>,
) -> Result<StatusCode, ApiError> {
    let read = Read {
        conversation: id,
        seq,
    };
    rest.execute(&caller, Command::Read(read)).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Rest {
    /// Carries out one command for the caller.
    pub(crate) async fn execute(&self, Caller(user): &Caller, command: Command) -> Result<Reply, ApiError> {
        command.check()?;
        Ok(self.engine.execute(user, command).await?)
    }

    /// Carries out a command that stores an entry.
    pub(crate) async fn store(&self, caller: &Caller, command: Command) -> Result<Sent, ApiError> {
        match self.execute(caller, command).await? {
            Reply::Sent(sent) => Ok(sent),
            _ => Err(ApiError::unexpected_reply()),
        }
    }
}
