//! Who asks the core for something, with or without a connection.

use std::sync::Arc;

use starling_core::Engine;
use starling_protocol::{Command, ConversationId, Entry, Error, ErrorCode, History, Reply, Seq, UserId};

use crate::SocketIo;
use crate::dialect::HeardMessage;

/// A user, at the entrance.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) server: &'a SocketIo,
    pub(crate) user: &'a UserId,
}

impl Asker<'_> {
    pub(crate) fn engine(&self) -> &Engine {
        self.server.engine()
    }

    /// Has a command carried out, and waits for it.
    ///
    /// # Errors
    /// What the protocol documents.
    pub(crate) async fn execute(&self, command: Command) -> Result<Reply, Error> {
        self.engine().execute(self.user, command).await
    }

    /// A message: from memory, or else from the log.
    ///
    /// # Errors
    /// What `history` refuses with; `invalid` if there is no message at that place.
    pub(crate) async fn heard(&self, room: &ConversationId, seq: Seq) -> Result<HeardMessage, Error> {
        let heard = self.server.heard();
        if let Some(message) = heard.message(room, seq) {
            return Ok(message);
        }
        let entry = self.entry(room, seq).await?;
        heard
            .note(&entry)
            .ok_or_else(|| Error::new(ErrorCode::Invalid, "there is no such message"))
    }

    /// One entry, as stored.
    async fn entry(&self, room: &ConversationId, seq: Seq) -> Result<Arc<Entry>, Error> {
        let history = History {
            after: Some(seq.saturating_sub(1)),
            limit: Some(1),
            ..History::newest(room.clone())
        };
        match self.execute(Command::History(history)).await? {
            Reply::History(page) if page.entries.first().is_some_and(|entry| entry.seq == seq) => {
                Ok(page.entries[0].clone())
            }
            _ => Err(Error::new(ErrorCode::Invalid, "there is no such message")),
        }
    }

    /// What these users are called, each in its place.
    pub(crate) async fn names(&self, users: &[&UserId]) -> Vec<String> {
        self.server.names().of(self.engine(), users).await
    }
}
