//! Who asks the core for something, with or without a connection.

use starling_core::Engine;
use starling_protocol::{Command, Error, Reply, UserId};

use crate::SocketIo;

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

    /// What these users are called, each in its place.
    pub(crate) async fn names(&self, users: &[&UserId]) -> Vec<String> {
        self.server.names().of(self.engine(), users).await
    }
}
