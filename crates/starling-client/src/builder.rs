//! Options, with their defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use starling_protocol::{Codec, ConversationId, Seq};
use url::Url;

use crate::tap::{Tap, Tapped};
use crate::{Client, Error};

/// Makes a [`Client`].
#[must_use = "nothing happens before `connect` or `start`"]
pub struct Builder {
    urls: Vec<String>,
    config: Config,
}

/// What a token provider may fail with. The client tries again later.
pub type TokenError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) type TokenFuture = Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send>>;
pub(crate) type TokenProvider = Arc<dyn Fn() -> TokenFuture + Send + Sync>;

/// The options as the driver wants them.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) urls: Vec<Url>,
    pub(crate) token: Option<String>,
    pub(crate) provider: Option<TokenProvider>,
    pub(crate) codec: Codec,
    pub(crate) cursors: BTreeMap<ConversationId, Seq>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) window: usize,
    pub(crate) room: usize,
    pub(crate) events: usize,
    pub(crate) delivered_marks: Switch,
    pub(crate) discard_events: Switch,
    pub(crate) tap: Option<Tap>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    On,
    Off,
}

impl Builder {
    pub(crate) fn new(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let config = Config {
            urls: Vec::new(),
            token: None,
            provider: None,
            codec: Codec::MessagePack,
            cursors: BTreeMap::new(),
            deadline: None,
            window: 128,
            room: 1024,
            events: 256,
            delivered_marks: Switch::On,
            discard_events: Switch::Off,
            tap: None,
        };
        Self {
            urls: urls.into_iter().map(Into::into).collect(),
            config,
        }
    }

    /// The token to authenticate with, a JWT.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.config.token = Some(token.into());
        self
    }

    /// Asked for a token at the start, and again whenever the server says that the last one is not valid
    /// (any more). The client ends when it gives one that was refused already; if it fails, it is asked again
    /// later.
    pub fn token_provider<F, Fut>(mut self, provider: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, TokenError>> + Send + 'static,
    {
        self.config.provider = Some(Arc::new(move || Box::pin(provider())));
        self
    }

    /// The encoding; [`Codec::MessagePack`] if not given, which is smaller.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.config.codec = codec;
        self
    }

    /// Where an earlier client left off, as [`Client::cursors`] told. A conversation without a cursor starts
    /// where the server says: with what waits for this user, or at its head.
    pub fn cursors(mut self, cursors: BTreeMap<ConversationId, Seq>) -> Self {
        self.config.cursors = cursors;
        self
    }

    /// Gives up any command that has no definite answer after this time, with [`Error::Deadline`]. Without it,
    /// the client tries until it is closed.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.config.deadline = Some(deadline);
        self
    }

    /// How many commands may be on their way without an answer, 128 if not given. With 1, sends keep their
    /// order even where the server puts one off (`rate_limited`, `unavailable`).
    pub fn window(mut self, commands: usize) -> Self {
        self.config.window = commands;
        self
    }

    /// How many commands without an answer the client keeps, 1,024 if not given. When there are as many, it
    /// takes no more from the application.
    pub fn max_unanswered(mut self, commands: usize) -> Self {
        self.config.room = commands;
        self
    }

    /// How many events may wait for the application, 256 if not given. When there are as many, the client
    /// stops reading from the server.
    pub fn event_buffer(mut self, events: usize) -> Self {
        self.config.events = events.max(1);
        self
    }

    /// Does not tell the server what has been delivered; the application may do so with [`Client::delivered`].
    /// If not given, what the application has taken is marked, at most once a second for each conversation.
    pub fn without_delivered_marks(mut self) -> Self {
        self.config.delivered_marks = Switch::Off;
        self
    }

    /// For applications that only send: events count as taken the moment they arrive, and
    /// [`Client::next_event`] gives only the client's end.
    pub fn discard_events(mut self) -> Self {
        self.config.discard_events = Switch::On;
        self
    }

    /// Shows what passes on the wire, before doubles are dropped and holes are filled: each frame before it goes
    /// out and when it has come in, and each connection's end. Called in order on the client's task, so it must
    /// not block.
    pub fn tap(mut self, tap: impl Fn(Tapped<'_>) + Send + Sync + 'static) -> Self {
        self.config.tap = Some(Arc::new(tap));
        self
    }

    /// Starts the client and returns without waiting for a connection. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no URL or one is not `ws://host[:port]/path`.
    pub fn start(mut self) -> Result<Client, Error> {
        self.config.urls = self.urls.iter().map(|url| parse(url)).collect::<Result<_, _>>()?;
        if self.config.urls.is_empty() {
            return Err(Error::Config("no URL to connect to".into()));
        }
        Ok(Client::start(self.config))
    }

    /// Starts the client and waits until a node has taken it, however often it must try.
    ///
    /// Cancellation ends the client.
    ///
    /// # Errors
    /// Like [`Self::start`]; besides, the error that ended the client, such as a refused token.
    pub async fn connect(self) -> Result<Client, Error> {
        let client = self.start()?;
        client.connected().await?;
        Ok(client)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No token: this ends up in logs.
        f.debug_struct("Builder")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

fn parse(text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|error| Error::Config(format!("{text:?} is no URL: {error}")))?;
    match (url.scheme(), url.host_str()) {
        ("ws", Some(_)) => Ok(url),
        _ => Err(Error::Config(format!(
            "{text:?} is not of the form ws://host:port/ws"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_before_anything_starts() {
        for (url, good) in [
            ("ws://127.0.0.1:8080/ws", true),
            ("ws://[::1]:8080/ws", true),
            ("ws://starling/ws", true),
            ("http://127.0.0.1:8080/ws", false),
            ("127.0.0.1:8080", false),
            ("", false),
        ] {
            assert_eq!(parse(url).is_ok(), good, "{url:?}");
        }
        assert!(matches!(
            Builder::new(Vec::<String>::new()).start(),
            Err(Error::Config(_))
        ));
    }
}
