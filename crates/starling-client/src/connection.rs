//! One socket: frames in, frames out, and how it ended. Knows nothing of what the frames mean.
//!
//! Constraint: reading and writing never wait for each other, since a server that waits for us to read does
//! not read either.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{Sink, Stream};
use serde::Deserialize;
use serde::de::IgnoredAny;
use starling_protocol::{ClientFrame, Codec, Encoded, ServerFrame};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

use crate::tap::{Tap, Tapped};

/// For the TCP connection and the handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Small, since a process may hold hundreds of clients, and the read buffer is zeroed at every read.
const READ_BUFFER: usize = 8 * 1024;
const WRITE_BUFFER: usize = 8 * 1024;
/// The longest page of history with the longest texts stays under this.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// The close code of a client that leaves of its own accord.
pub(crate) const GOODBYE_CODE: u16 = 1000;

/// Why no connection came about.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// HTTP 401.
    Unauthenticated,
    /// Anything else; a later attempt, or another address, may do better.
    Failed(String),
}

/// What comes in.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A frame of the protocol.
    Frame(ServerFrame),
    /// A ping, or an event that this version does not know: only a sign of life.
    Alive,
    /// Not the protocol.
    Malformed(String),
    /// The connection has ended.
    Ended {
        /// The close code; 1005 where the server gave none, 1006 where there was no close frame.
        code: u16,
        /// The reason on the wire, or what broke.
        reason: String,
    },
}

/// See the module.
pub(crate) struct Connection {
    socket: WebSocketStream<TcpStream>,
    codec: Codec,
    tap: Option<Tap>,
    outgoing: VecDeque<Message>,
    dirty: bool,
}

impl Connection {
    /// Connects and shakes hands.
    pub(crate) async fn open(
        url: Url,
        codec: Codec,
        token: Option<String>,
        tap: Option<Tap>,
    ) -> Result<Self, ConnectError> {
        match timeout(CONNECT_TIMEOUT, Self::shake_hands(url, codec, token, tap)).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::Failed("no handshake in time".into())),
        }
    }

    async fn shake_hands(
        url: Url,
        codec: Codec,
        token: Option<String>,
        tap: Option<Tap>,
    ) -> Result<Self, ConnectError> {
        let failed = |error: &dyn std::fmt::Display| ConnectError::Failed(error.to_string());
        let host = url.host_str().unwrap_or_default();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let port = url.port_or_known_default().unwrap_or(80);
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;

        let mut request = url
            .as_str()
            .into_client_request()
            .map_err(|error| failed(&error))?;
        let headers = request.headers_mut();
        headers.insert(
            SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(codec.subprotocol()),
        );
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| failed(&error))?;
            headers.insert(AUTHORIZATION, value);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        match client_async_with_config(request, stream, Some(config)).await {
            Ok((socket, _)) => Ok(Self {
                socket,
                codec,
                tap,
                outgoing: VecDeque::new(),
                dirty: false,
            }),
            Err(tungstenite::Error::Http(response)) if response.status() == 401 => {
                Err(ConnectError::Unauthenticated)
            }
            Err(error) => Err(failed(&error)),
        }
    }

    /// Queues a frame. [`Self::drive`] sends it.
    pub(crate) fn push(&mut self, frame: &ClientFrame) {
        if let Some(tap) = &self.tap {
            tap(Tapped::Sent(frame));
        }
        self.outgoing.push_back(match self.codec.encode(frame) {
            Encoded::Text(text) => Message::text(text),
            Encoded::Binary(bytes) => Message::binary(bytes),
        });
    }

    /// Sends what is queued, and with [`Reading::On`] reads: resolves with the next thing that comes in, and
    /// otherwise only when the connection is broken. Dropping the future loses nothing.
    pub(crate) fn drive(&mut self, reading: Reading) -> impl Future<Output = Incoming> + '_ {
        std::future::poll_fn(move |cx| self.poll_drive(cx, reading))
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>, reading: Reading) -> Poll<Incoming> {
        let written = self.poll_write(cx);
        // What came before a failure to write is worth reading, the close frame above all.
        let broken = match written {
            Poll::Ready(Err(error)) => Some(error),
            _ => None,
        };
        match (reading, broken) {
            (Reading::On, broken) => match (self.poll_read(cx), broken) {
                (Poll::Pending, Some(error)) => Poll::Ready(ended(&error)),
                (read, _) => read,
            },
            (Reading::Off, Some(error)) => Poll::Ready(ended(&error)),
            (Reading::Off, None) => Poll::Pending,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), tungstenite::Error>> {
        while !self.outgoing.is_empty() {
            ready!(Pin::new(&mut self.socket).poll_ready(cx))?;
            if let Some(message) = self.outgoing.pop_front() {
                Pin::new(&mut self.socket).start_send(message)?;
                self.dirty = true;
            }
        }
        if self.dirty {
            ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
            self.dirty = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        let message = match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Poll::Ready(ended(&error)),
            None => {
                return Poll::Ready(Incoming::Ended {
                    code: 1006,
                    reason: "no close frame".into(),
                });
            }
        };
        Poll::Ready(match message {
            Message::Text(text) => self.decode(text.as_bytes()),
            Message::Binary(bytes) => self.decode(&bytes),
            Message::Ping(_) => {
                // The pong is queued inside the socket.
                self.dirty = true;
                Incoming::Alive
            }
            Message::Pong(_) | Message::Frame(_) => Incoming::Alive,
            Message::Close(None) => Incoming::Ended {
                code: 1005,
                reason: String::new(),
            },
            Message::Close(Some(CloseFrame { code, reason })) => Incoming::Ended {
                code: code.into(),
                reason: reason.as_str().into(),
            },
        })
    }

    fn decode(&self, bytes: &[u8]) -> Incoming {
        match self.codec.decode_server(bytes) {
            Ok(frame) => {
                if let Some(tap) = &self.tap {
                    tap(Tapped::Received(&frame));
                }
                Incoming::Frame(frame)
            }
            // Newer servers may say more than we understand; what we do know must be readable.
            Err(_) if is_unknown_event(self.codec, bytes) => Incoming::Alive,
            Err(error) => Incoming::Malformed(error.to_string()),
        }
    }

    /// Says goodbye, with a time limit, and drops the socket.
    pub(crate) async fn close(mut self, limit: Duration) {
        let frame = CloseFrame {
            code: GOODBYE_CODE.into(),
            reason: "".into(),
        };
        self.outgoing.push_back(Message::Close(Some(frame)));
        // Until the server has closed in turn; what still comes in is not wanted any more.
        let goodbye = async { while !matches!(self.drive(Reading::On).await, Incoming::Ended { .. }) {} };
        let _ = timeout(limit, goodbye).await;
    }
}

/// Whether to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    On,
    Off,
}

fn ended(error: &tungstenite::Error) -> Incoming {
    Incoming::Ended {
        code: 1006,
        reason: error.to_string(),
    }
}

fn is_unknown_event(codec: Codec, bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Known {
        id: Option<IgnoredAny>,
        error: Option<IgnoredAny>,
        ready: Option<IgnoredAny>,
        conversation: Option<IgnoredAny>,
        entry: Option<IgnoredAny>,
    }
    let known: Option<Known> = match codec {
        Codec::Json => serde_json::from_slice(bytes).ok(),
        Codec::MessagePack => rmp_serde::from_slice(bytes).ok(),
    };
    known.is_some_and(|known| {
        let Known {
            id,
            error,
            ready,
            conversation,
            entry,
        } = known;
        [id, error, ready, conversation, entry]
            .iter()
            .all(Option::is_none)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_newer_servers_are_told_from_garbage() {
        for (text, unknown) in [
            (r#"{"typing":{"user":"a"}}"#, true),
            (r#"{"entry":{"body":{"new_kind":{}}}}"#, false),
            (r#"{"id":7,"ok":{"new_reply":{}}}"#, false),
            ("nonsense", false),
        ] {
            assert_eq!(is_unknown_event(Codec::Json, text.as_bytes()), unknown, "{text}");
            let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
            if let Some(value) = value {
                let bytes = rmp_serde::to_vec_named(&value).unwrap();
                assert_eq!(
                    is_unknown_event(Codec::MessagePack, &bytes),
                    unknown,
                    "{text} as MessagePack"
                );
            }
        }
    }
}
