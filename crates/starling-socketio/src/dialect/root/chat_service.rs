//! Chat Service: what only its clients know.

use serde::Deserialize;
use serde_json::Value;
use starling_protocol::{Command, ConversationId, Error, Typing, UserId};

use crate::dialect::error::Done;
use crate::dialect::payload::{check_own, read};
use crate::live::Live;
use crate::pending::{Asked, Pending};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authenticate {
    user_id: UserId,
    username: Option<String>,
}

/// `authenticate`: who the token is of stands already; it must be the same. The name counts where none is known: what
/// a token or a profile says is stronger.
pub(super) async fn authenticate(live: &Live, asked: &Asked, payload: Value) -> Result<(), Error> {
    let said: Authenticate = read(payload)?;
    check_own(live, Some(&said.user_id))?;
    if let Some(name) = &said.username {
        let known = live.asker().names(&[live.user()]).await;
        if known.first().is_some_and(|known| known == live.user().as_str()) {
            live.engine().saw_user(live.user(), Some(name)).await;
            live.server().names().learn(live.user(), name);
        }
    }
    live.acknowledge(asked, &Done::plain());
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Types {
    room_id: ConversationId,
    is_typing: bool,
}

/// `typing`.
pub(super) async fn typing(live: &Live, asked: Asked, payload: Value) -> Result<(), Error> {
    let said: Types = read(payload)?;
    let command = Command::Typing(Typing {
        conversation: said.room_id,
        typing: said.is_typing,
    });
    live.submit(Pending::Signal(asked), command).await;
    Ok(())
}
