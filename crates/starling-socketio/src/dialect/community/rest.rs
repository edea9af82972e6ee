//! Community Chat's routes. The channel is public as long as it is open: who has not joined it may read it, and
//! `/recent` and `/stats` do not even ask who one is.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use starling_protocol::{Error, ErrorCode, MessagesPage, MessagesWanted, UserId};

use super::history::{Page, Pages};
use super::message::Message;
use super::stats::{Stats, of_channel};
use crate::SocketIo;
use crate::asker::Asker;
use crate::dialect::error::Done;
use crate::dialect::routes::{Caller, Failure, InPath, InQuery, Route, get};
use crate::dialect::stored::worded;

/// The routes under `/api/community/chat`.
pub(in crate::dialect) fn routes() -> Vec<Route> {
    vec![
        get("/api/community/chat", list),
        get("/api/community/chat/recent", recent),
        get("/api/community/chat/stats", stats),
        get("/api/community/chat/{userId}", by_user),
    ]
}

async fn list(
    State(server): State<SocketIo>,
    caller: Caller,
    InQuery(pages): InQuery<Pages>,
) -> Result<Json<Page>, Failure> {
    page(caller.asker(&server), &pages, None).await
}

async fn by_user(
    State(server): State<SocketIo>,
    caller: Caller,
    InPath(user): InPath<UserId>,
    InQuery(pages): InQuery<Pages>,
) -> Result<Json<Page>, Failure> {
    page(caller.asker(&server), &pages, Some(user)).await
}

async fn page(asker: Asker<'_>, pages: &Pages, sender: Option<UserId>) -> Result<Json<Page>, Failure> {
    let wanted = pages.wanted(sender)?;
    let found = messages(asker.server, &wanted).await?;
    Ok(Json(Page::of(asker, pages, &wanted, &found).await))
}

/// As far as anyone may read. A channel in which nobody has been yet is an empty one.
async fn messages(server: &SocketIo, wanted: &MessagesWanted) -> Result<MessagesPage, Error> {
    let channel = &server.settings().community;
    match server.engine().open_messages(channel, wanted).await {
        Err(error) if error.code == ErrorCode::UnknownConversation => Ok(MessagesPage {
            messages: Vec::new(),
            as_of: 0,
            more: false,
        }),
        found => found,
    }
}

#[derive(Deserialize)]
struct RecentQuery {
    limit: Option<u64>,
}

#[derive(Serialize)]
struct Recent {
    success: bool,
    data: Vec<Message>,
}

async fn recent(
    State(server): State<SocketIo>,
    InQuery(query): InQuery<RecentQuery>,
) -> Result<Json<Recent>, Failure> {
    let wanted = Pages::newest(query.limit).wanted(None)?;
    let found = messages(&server, &wanted).await?;
    let data = worded(&server, &found.messages, Message::new).await;
    Ok(Json(Recent { success: true, data }))
}

async fn stats(State(server): State<SocketIo>) -> Result<Json<Done<Stats>>, Failure> {
    let stats = match of_channel(&server).await {
        Err(error) if error.code == ErrorCode::UnknownConversation => Stats::default(),
        counted => counted?,
    };
    Ok(Json(Done::with(stats)))
}
