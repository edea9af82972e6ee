//! Clients that have shown nothing, in development mode: they say who they are.

use serde::Deserialize;
use starling_core::Identity;
use starling_protocol::{Error, ErrorCode, UserId};

use super::error::{Failed, complaint};
use super::payload::read;
use crate::decoder::Event;
use crate::handler::say;
use crate::pending::Asked;
use crate::socket::Arrival;
use crate::token::bare;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    user_id: UserId,
    username: Option<String>,
}

/// Waits for the event `naming`, which says who a client is; it is still to be carried out then. `None`: the client has
/// left.
pub(super) async fn name_himself(arrival: &Arrival, naming: &str) -> Option<(Identity, Event)> {
    let (namespace, parser) = (arrival.dialect.namespace(), arrival.parser);
    while let Some(event) = arrival.inbox.next().await {
        let named = if event.name == naming {
            read::<Named>(event.payload.clone())
                .and_then(|said| bare(said.user_id.as_str(), said.username.as_deref()))
        } else {
            Err(Error::new(ErrorCode::Unauthenticated, "Not authenticated"))
        };
        let error = match named {
            Ok(identity) => return Some((identity, event)),
            Err(error) => error,
        };
        let asked = Asked {
            event: event.name,
            ack: event.ack,
        };
        let complaint = || complaint(&asked, &error, None);
        say(&arrival.wire, parser.event(namespace, "error", &complaint()));
        if let Some(id) = asked.ack {
            let failed = Failed {
                success: false,
                complaint: complaint(),
            };
            say(&arrival.wire, parser.ack(namespace, id, &failed));
        }
    }
    None
}
