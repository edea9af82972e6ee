//! What nodes say to one another over the bus, in MessagePack.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use starling_protocol::{ConversationId, Entry, ReceiptsChange, Seq, TypingChange, UserId};

use crate::presence::PresenceNews;

/// A message on a node's channel. At most once: each only hastens what comparing heads would find.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NodeMessage {
    /// Entries of one conversation, contiguous, stored at majority.
    Entries(Vec<Arc<Entry>>),
    /// The log of a conversation reaches at least here; with the changes of membership among what was perhaps
    /// never announced, which concern nodes that do not follow the conversation yet.
    Head(ConversationId, Seq, Vec<Arc<Entry>>),
    /// The log reaches at least here, and these users, connected to this node, have not confirmed it.
    Undelivered(ConversationId, Seq, Vec<UserId>),
    /// The lease that this node waits for is handed to it.
    Granted(ConversationId),
    /// Members' marks have moved, and are stored.
    Receipts(ReceiptsChange),
    /// A member types, still types, or has stopped.
    Typing(TypingChange),
    /// What was found to be so of these users.
    Presence(Vec<PresenceNews>),
    /// These sign-ins are over: the connections that came by them end.
    SignedOut(Vec<String>),
    /// Who is barred from this conversation has changed.
    Barred(ConversationId),
    /// The node's own echo, for the readiness probe.
    Echo(u64),
}

impl NodeMessage {
    pub(crate) fn encode(&self) -> Bytes {
        // Writing to memory does not fail, and no type here can refuse to be written.
        // Named fields: an entry leaves absent ones out, which positions could not tell.
        rmp_serde::to_vec_named(self).unwrap_or_default().into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}
