//! The present members of many conversations, in few reads.

use starling_protocol::ConversationId;
use starling_protocol::limits::MAX_RECEIPTS_MEMBERS;

use crate::chance::HashMap;
use crate::ports::{Directory, MemberRecord, Unavailable};

/// Conversations of one read.
const CONVERSATIONS: usize = 500;
/// Members of one read. More than the largest roster, so that each read gets on.
const MEMBERS: usize = 4 * (MAX_RECEIPTS_MEMBERS + 1);

/// Who the present members are of conversations that were asked about.
#[derive(Default)]
pub(crate) struct Rosters {
    /// By user. Conversations without members are not in it.
    pub(crate) of: HashMap<ConversationId, Vec<MemberRecord>>,
    /// Those with more than [`MAX_RECEIPTS_MEMBERS`].
    pub(crate) large: Vec<ConversationId>,
}

/// Reads the rosters of these conversations.
///
/// # Errors
/// [`Unavailable`] if one of the reads fails.
pub(crate) async fn read(
    directory: &dyn Directory,
    mut conversations: Vec<ConversationId>,
) -> Result<Rosters, Unavailable> {
    conversations.sort_unstable();
    let mut rosters = Rosters::default();
    let mut rest = &conversations[..];
    while !rest.is_empty() {
        let asked = &rest[..rest.len().min(CONVERSATIONS)];
        let members = directory.members_of(asked, MEMBERS).await?;
        // Where as many were read as may be, the last roster is perhaps not whole: the next read begins with it.
        let cut = members.last().filter(|_| members.len() == MEMBERS);
        let cut = cut.map(|member| member.conversation.clone());
        for roster in members.chunk_by(|a, b| a.conversation == b.conversation) {
            let conversation = roster[0].conversation.clone();
            if roster.len() > MAX_RECEIPTS_MEMBERS {
                rosters.large.push(conversation);
            } else if Some(&conversation) != cut.as_ref() {
                rosters.of.insert(conversation, roster.to_vec());
            }
        }
        let read = match &cut {
            None => asked.len(),
            Some(cut) if rosters.large.last() == Some(cut) => asked.partition_point(|id| id <= cut),
            Some(cut) => asked.partition_point(|id| id < cut),
        };
        rest = &rest[read..];
    }
    Ok(rosters)
}

#[cfg(test)]
mod tests {
    use starling_protocol::{Role, UserId};

    use super::*;
    use crate::memory::MemoryStore;
    use crate::ports::Effect;

    #[tokio::test(start_paused = true)]
    async fn rosters_are_whole_or_large_however_they_fall_into_reads() {
        let sizes = [
            ("a", 1),
            ("b", 1_000),
            ("c", 3_500),
            ("d", 1_000),
            ("e", 0),
            ("f", 999),
            ("g", 1_000),
            ("h", 1_001),
            ("i", 7),
        ];
        let store = MemoryStore::new();
        let id = |name: &str| ConversationId::new(name).unwrap();
        for (name, size) in sizes {
            let joined = (0..size).map(|number| Effect::SetMember {
                conversation: id(name),
                user: UserId::new(format!("u{number:05}")).unwrap(),
                role: Role::Member,
                seq: 1,
            });
            store.apply(&joined.collect::<Vec<_>>()).await.unwrap();
        }
        let asked = sizes.iter().rev().map(|(name, _)| id(name));
        let rosters = read(&store, asked.collect()).await.unwrap();
        for (name, size) in sizes {
            let found = rosters.of.get(&id(name)).map_or(0, Vec::len);
            assert_eq!(
                found,
                if size > MAX_RECEIPTS_MEMBERS { 0 } else { size },
                "{name}"
            );
        }
        assert_eq!(rosters.large, [id("c"), id("h")]);
    }
}
