//! What the two systems say on the wire, as far as a load needs it.

mod native;
mod socketio;

use anyhow::Result;
use tokio_tungstenite::tungstenite::Message;

pub(crate) use native::Native;
pub(crate) use socketio::SocketIo;

use crate::socket::Socket;

/// What came.
pub(crate) enum Incoming {
    /// The answer to the send of this number: it is stored.
    Acknowledged(u64),
    /// A message of the conversation, made this many nanoseconds after the load's beginning.
    Delivered(u64),
    /// To be sent back at once.
    Answer(Message),
    /// Nothing that counts.
    Other,
}

/// A system's protocol, as idle connections need it.
pub(crate) trait IdleWire: Clone + Send + Sync + 'static {
    /// Connects a user to a node, with a small buffer, and asks for nothing.
    fn connect_idle(&self, node: &str, user: &str) -> impl Future<Output = Result<Socket>> + Send;

    /// What is to be answered to a message, so that the connection stays.
    fn answer(&self, message: &Message) -> Option<Message>;
}

/// Of an idle connection's buffers, in bytes: an idle client needs little.
const IDLE_BUFFER: usize = 1024;

/// A system's protocol. All users of a load speak it, one connection each.
pub(crate) trait Wire: Clone + Send + Sync + 'static {
    /// Connects a user to a node.
    fn connect(&self, node: &str, user: &str) -> impl Future<Output = Result<Socket>> + Send;

    /// Makes a conversation of these members and returns its id; the sockets are those of the first of them. What comes
    /// meanwhile is thrown away.
    fn converse(
        &self,
        sockets: &mut [Socket],
        members: &[String],
        name: &str,
    ) -> impl Future<Output = Result<String>> + Send;

    /// A send with a number that is its own on its connection.
    fn send(&self, conversation: &str, user: &str, number: u64, text: &str) -> Message;

    /// Reads a message. The load is judged by it, so it must be cheap.
    ///
    /// # Errors
    /// A refusal, with what the system said.
    fn read(&self, message: &Message) -> Result<Incoming>;
}

/// A text of 64 bytes that says when it was made.
pub(crate) fn stamped(nanoseconds: u64) -> String {
    format!("{MARK}{nanoseconds:020} The quick brown fox jumps over the dog.")
}

const MARK: &str = "@at=";

/// The stamp of a text of [`stamped`] somewhere in these bytes.
pub(crate) fn stamp_in(bytes: &[u8]) -> Option<u64> {
    let mark = MARK.as_bytes();
    let at = bytes.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let digits = bytes.get(at..at + 20)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamped_text_has_64_bytes_and_is_read_back() {
        let text = stamped(1_234_567_890);
        assert_eq!(text.len(), 64);
        assert_eq!(stamp_in(format!("..{text}..").as_bytes()), Some(1_234_567_890));
        assert_eq!(stamp_in(b"@at=12"), None);
        assert_eq!(stamp_in(b"nothing"), None);
    }
}
