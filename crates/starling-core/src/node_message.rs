//! What nodes say to one another over the bus, in MessagePack.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use starling_protocol::{ConversationId, Entry, Hidden, ReceiptsChange, Seq, TypingChange, UserId};

use crate::presence::PresenceNews;

/// A message on a node's channel. At most once: each only hastens what comparing heads would find.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NodeMessage {
    /// Entries of one conversation, contiguous, stored at majority.
    Entries(Vec<Arc<Entry>>),
    /// The log of a conversation reaches at least here; with the changes of membership among what was perhaps
    /// never announced, which concern nodes that do not follow the conversation yet.
    Head(ConversationId, Seq, Vec<Arc<Entry>>),
    /// These logs reach at least here, and these users, connected to this node, have not confirmed it.
    Undelivered(Vec<Undelivered>),
    /// The lease that this node waits for is handed to it.
    Granted(ConversationId),
    /// Members' marks have moved, and are stored.
    Receipts(Vec<ReceiptsChange>),
    /// A member types, still types, or has stopped.
    Typing(TypingChange),
    /// What was found to be so of these users.
    Presence(Vec<PresenceNews>),
    /// This user has taken a conversation off his list.
    Hidden(UserId, Hidden),
    /// These sign-ins are over: the connections that came by them end.
    SignedOut(Vec<String>),
    /// Who is barred from this conversation has changed.
    Barred(ConversationId),
    /// The node's own echo, for the readiness probe.
    Echo(u64),
}

/// What a node is told of one log that some of its users have not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Undelivered {
    pub(crate) conversation: ConversationId,
    pub(crate) head: Seq,
    pub(crate) users: Vec<UserId>,
}

impl NodeMessage {
    pub(crate) fn encode(&self) -> Bytes {
        // Writing to memory does not fail, and no type here can refuse to be written.
        // Named fields: an entry leaves absent ones out, which positions could not tell.
        rmp_serde::to_vec_named(self).unwrap_or_default().into()
    }

    /// What [`NodeMessage::encode`] makes of entries, before the entries and each of them.
    pub(crate) fn entries_in_parts(entries: &[Arc<Entry>]) -> (Bytes, Vec<Bytes>) {
        let mut head = b"\x81\xa7Entries".to_vec();
        match u16::try_from(entries.len()) {
            Ok(count @ 0..16) => head.push(0x90 | count as u8),
            count => {
                head.push(0xdc);
                // A batch is far smaller.
                head.extend(count.unwrap_or(u16::MAX).to_be_bytes());
            }
        }
        let each = entries
            .iter()
            .map(|entry| rmp_serde::to_vec_named(entry).unwrap_or_default().into());
        (head.into(), each.collect())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use starling_protocol::{Body, Content};

    use super::*;

    #[test]
    fn entries_in_parts_are_the_message() {
        for count in [1, 15, 16, 256] {
            let entries: Vec<_> = (1..=count)
                .map(|seq| {
                    Arc::new(Entry {
                        conversation: ConversationId::new("c").unwrap(),
                        seq,
                        sender: UserId::new("ann").ok(),
                        client_id: None,
                        lamport: seq,
                        at: 0,
                        messages: seq,
                        membership: 1,
                        body: Body::Message(Content::text("x")),
                        state: None,
                    })
                })
                .collect();
            let (head, each) = NodeMessage::entries_in_parts(&entries);
            let whole: Vec<u8> = std::iter::once(&head).chain(&each).flatten().copied().collect();
            assert_eq!(whole, NodeMessage::Entries(entries).encode());
        }
    }
}
