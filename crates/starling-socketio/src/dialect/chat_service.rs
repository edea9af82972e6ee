//! Chat Service: what only its clients know.

use serde::Deserialize;
use serde_json::Value;
use starling_core::Identity;
use starling_protocol::{Command, ConversationId, Error, ErrorCode, Typing, UserId};

use super::error::{Done, Failed, complaint};
use super::payload::{check_own, read};
use crate::handler::say;
use crate::live::Live;
use crate::pending::{Asked, Pending};
use crate::socket::Arrival;
use crate::token::bare;

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

/// In development mode, for a client that has shown nothing: waits for `authenticate`. `None`: it has left.
pub(super) async fn name_himself(arrival: &Arrival) -> Option<Identity> {
    let (namespace, parser) = (arrival.dialect.namespace(), arrival.parser);
    while let Some(event) = arrival.inbox.next().await {
        let named = match event.name.as_str() {
            "authenticate" => read::<Authenticate>(event.payload)
                .and_then(|said| bare(said.user_id.as_str(), said.username.as_deref())),
            _ => Err(Error::new(ErrorCode::Unauthenticated, "Not authenticated")),
        };
        let answer = match &named {
            Ok(_) => event.ack.map(|id| parser.ack(namespace, id, &Done::plain())),
            Err(error) => {
                let asked = Asked {
                    event: event.name,
                    ack: event.ack,
                };
                say(
                    &arrival.wire,
                    parser.event(namespace, "error", &complaint(&asked, error, None)),
                );
                let failed = Failed {
                    success: false,
                    complaint: complaint(&asked, error, None),
                };
                event.ack.map(|id| parser.ack(namespace, id, &failed))
            }
        };
        if let Some(answer) = answer {
            say(&arrival.wire, answer);
        }
        if let Ok(identity) = named {
            return Some(identity);
        }
    }
    None
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
