//! Becoming a member of what is open to all.

use starling_protocol::{Command, ConversationId, Error, ErrorCode, Join, Kind};

use crate::asker::Asker;

/// Makes the user a member of an open conversation; where there is none, and `made` says of which kind, it is made.
///
/// # Errors
/// `unknown_conversation`, `forbidden`, `banned` and what else joining is refused with; `unavailable`.
pub(super) async fn become_member(
    asker: Asker<'_>,
    room: &ConversationId,
    made: Option<Kind>,
) -> Result<(), Error> {
    let join = async || {
        let conversation = room.clone();
        asker.execute(Command::Join(Join { conversation })).await
    };
    match (join().await, made) {
        (Ok(_), _) => Ok(()),
        (Err(error), Some(kind)) if error.code == ErrorCode::UnknownConversation => {
            asker.engine().open_room(asker.user, room.clone(), kind).await?;
            // Someone else may have made it at the same time.
            join().await.map(drop)
        }
        (Err(error), _) => Err(error),
    }
}
