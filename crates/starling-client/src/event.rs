//! What the application sees.

use std::collections::BTreeMap;
use std::sync::Arc;

use starling_protocol::{
    self as protocol, ConversationId, ConversationState, Entry, Hidden, Presence, ReceiptsChange,
    TypingChange,
};

/// The next thing that happened, in the order in which the application should apply it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The next entry of its conversation: exactly the cursor + 1, never skipped, never twice (I4).
    ///
    /// Voids are entries too; [`starling_protocol::Body::is_message`] tells messages from all else.
    Entry(Arc<Entry>),
    /// A conversation's state when its stream started on this connection. Its `cursor` is this client's: the
    /// conversation's next entry is `cursor` + 1. Comes again after every reconnect.
    Conversation(ConversationState),
    /// This user is no member of the conversation any more. Its entries up to the removal came before this.
    Removed(ConversationId),
    /// Members' marks have moved. Each is the newest that the node knows; none is replayed after a reconnect
    /// ([`crate::Client::receipts`] lists them).
    Receipts(ReceiptsChange),
    /// Another member types, or has stopped. When the connection ends, nobody is known to type.
    Typing(TypingChange),
    /// Someone who shares a conversation with this user has come, gone, or says something else about himself. None
    /// is replayed after a reconnect ([`crate::Client::presences`] asks).
    Presence(Presence),
    /// This user has taken a conversation off his list, here or on another device: it is off it until a message with a
    /// higher number comes. Not replayed: after a reconnect the conversation's state says so.
    Hidden(Hidden),
    /// A node has taken the connection.
    Connected {
        /// The node's name.
        node: String,
        /// The connection's name, unique in the cluster.
        connection: String,
    },
    /// All conversations are live on this connection: what was missed has been passed on, or (where a hole is
    /// still being filled) is on its way.
    Live {
        /// How many conversations.
        conversations: u64,
        /// Cursors that the server would not follow, and why.
        refused: BTreeMap<ConversationId, protocol::Error>,
    },
    /// The connection ended. The client connects again by itself, unless an error follows.
    Disconnected {
        /// The close code; 1005 where the server gave none, 1006 where there was no close frame.
        code: u16,
    },
}
