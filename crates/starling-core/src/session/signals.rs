//! Signals that are not stored.

use starling_protocol::{Error, Reply, Typing, TypingChange, UserId};

use crate::ports::ConnectionId;
use crate::shared::Shared;
use crate::standing::{self, Standing};

/// Tells the other members that this one types, or has stopped. `known`: he is known to be a member.
///
/// # Errors
/// `not_a_member`, `unknown_conversation`, `unavailable`.
pub(super) async fn typing(
    shared: &Shared,
    user: &UserId,
    connection: Option<&ConnectionId>,
    Typing { conversation, typing }: Typing,
    known: bool,
) -> Result<Reply, Error> {
    if !known {
        let seen = standing::look(&shared.ports, &conversation, user).await?;
        if !matches!(seen.standing, Standing::Member { .. }) {
            return Err(standing::not_a_member());
        }
    }
    let change = TypingChange {
        conversation,
        user: user.clone(),
        typing,
    };
    shared.typists.says(shared, change, connection).await;
    Ok(Reply::Done {})
}
