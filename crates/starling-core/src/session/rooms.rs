//! Rooms: open conversations under an id that people have agreed upon.

use std::sync::Arc;

use starling_protocol::{ConversationId, Error, Kind, Member, Profile, Role, UserId};
use tokio::sync::oneshot;

use super::commands::{no_answer, operation};
use crate::sequencer::Change;
use crate::shared::Shared;
use crate::standing;

/// Makes the room if there is no conversation with its id, with the user as its first member. He is no admin of it:
/// whoever comes first to a room that others know too has no say over them, and may leave as they may.
///
/// # Errors
/// `unknown_conversation` for an id of the form that Starling gives to other conversations: nobody may take the place
/// of one that is still to come. `unavailable`, `unknown`.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    user: &UserId,
    id: ConversationId,
    kind: Kind,
) -> Result<(), Error> {
    if standing::is_derived(&id) {
        return Err(standing::unknown_conversation());
    }
    let (sender, outcome) = oneshot::channel();
    let first = Member {
        user: user.clone(),
        role: Role::Member,
    };
    let create = Change::Create {
        kind,
        profile: Profile {
            name: Some(id.as_str().to_owned()),
            open: true,
            ..Profile::default()
        },
        members: vec![first],
    };
    let answer = Box::new(move |outcome| drop(sender.send(outcome)));
    let operation = operation(shared, user, id, create, answer);
    shared.sequencer.submit(shared, operation).await;
    outcome.await.map_err(|_| no_answer())??;
    Ok(())
}
