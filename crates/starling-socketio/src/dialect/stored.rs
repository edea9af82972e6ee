//! A message of the log as it stands, whichever way a dialect words it.

use std::sync::Arc;

use starling_protocol::{Body, ClientId, ConversationId, Entry, Seq, UserId};

use super::heard::HeardMessage;
use crate::SocketIo;

/// A message as it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) conversation: &'a ConversationId,
    pub(super) seq: Seq,
    pub(super) sender: &'a UserId,
    /// The sender's key for it, where that is known.
    pub(super) client_id: Option<&'a ClientId>,
    /// Its ordinal among the messages of its conversation.
    pub(super) number: u64,
    pub(super) at: i64,
    /// Empty once it is deleted.
    pub(super) text: &'a str,
    pub(super) edited_at: Option<i64>,
    pub(super) deleted_at: Option<i64>,
}

impl<'a> Stored<'a> {
    /// An entry as it was read, or came live. `None` for what is no message of a user.
    pub(super) fn of(entry: &'a Entry) -> Option<Self> {
        let (Body::Message(content), Some(sender)) = (&entry.body, &entry.sender) else {
            return None;
        };
        let state = entry.state.as_ref();
        let deleted_at = state.and_then(|state| state.deleted_at);
        let edited = state.and_then(|state| state.text.as_deref());
        Some(Self {
            conversation: &entry.conversation,
            seq: entry.seq,
            sender,
            client_id: entry.client_id.as_ref(),
            number: entry.messages,
            at: entry.at,
            text: match deleted_at {
                Some(_) => "",
                None => edited.unwrap_or(&content.text),
            },
            edited_at: state.and_then(|state| state.edited_at),
            deleted_at,
        })
    }

    /// A message of which it is known where it stands, and what it says.
    pub(super) fn at(
        conversation: &'a ConversationId,
        seq: Seq,
        heard: &'a HeardMessage,
        text: &'a str,
    ) -> Option<Self> {
        Some(Self {
            conversation,
            seq,
            sender: heard.sender.as_ref()?,
            client_id: None,
            number: heard.number,
            at: heard.at,
            text,
            edited_at: None,
            deleted_at: None,
        })
    }

    /// When anything about it has changed last.
    pub(super) fn updated_at(&self) -> i64 {
        let changes = [self.edited_at, self.deleted_at];
        changes.into_iter().flatten().fold(self.at, i64::max)
    }
}

/// These messages in a dialect's words; `word` is given each with its sender's name.
pub(super) async fn worded<T>(
    server: &SocketIo,
    entries: &[Arc<Entry>],
    word: impl Fn(&Stored<'_>, &str) -> T,
) -> Vec<T> {
    let stored: Vec<_> = entries.iter().filter_map(|entry| Stored::of(entry)).collect();
    let senders: Vec<_> = stored.iter().map(|stored| stored.sender).collect();
    let called = server.names().of(server.engine(), &senders).await;
    let named = stored.iter().zip(&called);
    named.map(|(stored, name)| word(stored, name)).collect()
}
