//! Who of a room is there.

use starling_protocol::limits::MAX_PRESENCES;
use starling_protocol::{AskPresences, Command, ConversationId, Error, PresenceState, Reply, UserId};

use crate::asker::Asker;

/// Of larger rooms only so many members are looked at.
const MAX_MEMBERS: usize = 1_000;

/// The members of a room that are connected, whichever way, in the order of their ids.
///
/// # Errors
/// `not_a_member`, `unknown_conversation`, `unavailable`.
pub(super) async fn online(asker: Asker<'_>, room: &ConversationId) -> Result<Vec<UserId>, Error> {
    let (_, members) = asker.engine().conversation(asker.user, room).await?;
    let mut members: Vec<_> = members.into_iter().map(|member| member.user).collect();
    members.sort();
    members.truncate(MAX_MEMBERS);
    let mut online = Vec::new();
    for users in members.chunks(MAX_PRESENCES) {
        let ask = AskPresences {
            users: users.to_vec(),
        };
        if let Reply::Presences(found) = asker.execute(Command::Presences(ask)).await? {
            let there = found
                .presences
                .into_iter()
                .filter(|presence| presence.state != PresenceState::Offline);
            online.extend(there.map(|presence| presence.user));
        }
    }
    online.sort();
    Ok(online)
}
