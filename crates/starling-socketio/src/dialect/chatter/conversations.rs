//! A user's conversations: listing them, and taking one off the list.

use axum::Json;
use axum::extract::State;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use starling_protocol::limits::{DEFAULT_LIST_LIMIT, MAX_LIST_LIMIT};
use starling_protocol::{
    Command, ConversationId, ConversationSummary, Dissolve, Error, ErrorCode, Hide, Kind, List, Reply, Role,
    UserId,
};

use super::message::Message;
use super::person::Person;
use crate::SocketIo;
use crate::asker::Asker;
use crate::dialect::error::Done;
use crate::dialect::routes::{Caller, Failure, InPath, InQuery, Route, delete, get};
use crate::dialect::stored::worded;
use crate::dialect::timestamp::iso;

/// Conversations that are looked at at the same time.
const AT_ONCE: usize = 8;

pub(super) fn routes() -> Vec<Route> {
    vec![
        // Whose, and which: the same place in the path has one name.
        get("/api/conversations/{id}", list),
        delete("/api/conversations/{id}", remove),
    ]
}

/// "Conversations with sequence info".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Conversation {
    #[serde(rename = "_id")]
    id: ConversationId,
    conversation_id: ConversationId,
    #[serde(rename = "type")]
    kind: Kind,
    is_group: bool,
    /// Of a conversation of two, what the other is called.
    name: String,
    role: Role,
    /// The other one, in a conversation of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Person>,
    /// The last message's; 0 if there is none.
    sequence_number: u64,
    unread_count: u64,
    last_message: Option<Message>,
    updated_at: Option<String>,
}

impl Conversation {
    async fn of(asker: Asker<'_>, summary: ConversationSummary) -> Result<Self, Error> {
        let last = summary.last.as_slice();
        let last_message = worded(asker.server, last, Message::new).await.pop();
        let is_group = summary.kind != Kind::Direct;
        let other = match is_group {
            true => None,
            false => other(asker, &summary.id).await?,
        };
        let name = match &other {
            Some(other) => asker.names(&[other]).await.into_iter().next(),
            None => summary.name,
        };
        let name = name.unwrap_or_else(|| summary.id.as_str().to_owned());
        Ok(Self {
            conversation_id: summary.id.clone(),
            id: summary.id,
            kind: summary.kind,
            is_group,
            role: summary.role,
            user: other.map(|other| Person::called(other, name.clone())),
            name,
            sequence_number: last_message.as_ref().map_or(0, Message::sequence_number),
            unread_count: summary.unread,
            last_message,
            updated_at: summary.last.map(|last| iso(last.at)),
        })
    }
}

async fn other(asker: Asker<'_>, conversation: &ConversationId) -> Result<Option<UserId>, Error> {
    let (_, members) = asker.engine().conversation(asker.user, conversation).await?;
    let others = members.into_iter().map(|member| member.user);
    Ok(others.into_iter().find(|member| member != asker.user))
}

#[derive(Deserialize)]
struct ConversationsQuery {
    after: Option<ConversationId>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Conversations {
    success: bool,
    conversations: Vec<Conversation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<ConversationId>,
}

async fn list(
    State(server): State<SocketIo>,
    caller: Caller,
    InPath(user): InPath<UserId>,
    InQuery(page): InQuery<ConversationsQuery>,
) -> Result<Json<Conversations>, Failure> {
    caller.check(Some(&user))?;
    let asker = caller.asker(&server);
    let list = List {
        after: page.after,
        limit: Some(page.limit.unwrap_or(DEFAULT_LIST_LIMIT).clamp(1, MAX_LIST_LIMIT)),
    };
    let Reply::Conversations(found) = asker.execute(Command::List(list)).await? else {
        return Err(Error::new(ErrorCode::Internal, "no list").into());
    };
    let conversations = futures::stream::iter(found.conversations)
        .map(|summary| Conversation::of(asker, summary))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(Json(Conversations {
        success: true,
        conversations,
        next: found.next,
    }))
}

#[derive(Deserialize)]
struct Removal {
    /// Not only from one's own list. For admins.
    #[serde(default)]
    everyone: bool,
}

async fn remove(
    State(server): State<SocketIo>,
    caller: Caller,
    InPath(conversation): InPath<ConversationId>,
    InQuery(removal): InQuery<Removal>,
) -> Result<Json<Done<()>>, Failure> {
    let command = if removal.everyone {
        Command::Dissolve(Dissolve { conversation })
    } else {
        Command::Hide(Hide { conversation })
    };
    caller.asker(&server).execute(command).await?;
    Ok(Json(Done::plain()))
}
