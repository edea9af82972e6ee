//! What comes from the client.

use std::future::pending;
use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use futures::StreamExt;
use futures::stream::SplitStream;
use starling_core::{Outbox, Session, SharedFrame};
use starling_protocol::{ClientFrame, CloseCode, Codec, Command, Error, ErrorCode, FrameError};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error as WireError;
use tokio_tungstenite::tungstenite::error::ProtocolError;

use crate::Gateway;
use crate::closing::{End, Fault};
use crate::heartbeat::{Beat, Heartbeat};

/// One thing that came.
pub(crate) enum Incoming {
    /// A frame, or what is wrong with it.
    Frame(Result<ClientFrame, FrameError>),
    /// A ping or pong: a sign of life.
    Alive,
    /// The client is leaving, or is gone.
    End(End),
    /// Nothing can be read any more; the client is to be told why.
    Fault(Fault),
}

/// The client's side of a connection.
pub(crate) struct Reader {
    stream: SplitStream<WebSocket>,
    codec: Codec,
}

impl Reader {
    pub(crate) fn new(stream: SplitStream<WebSocket>, codec: Codec) -> Self {
        Self { stream, codec }
    }

    /// Waits for the next thing. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Incoming {
        let message = match self.stream.next().await {
            None => return Incoming::End(End::Lost),
            Some(Err(error)) => return broken(error),
            Some(Ok(message)) => message,
        };
        let frame = match (&message, self.codec) {
            (Message::Text(text), Codec::Json) => self.codec.decode_client(text.as_bytes()),
            (Message::Binary(bytes), Codec::MessagePack) => self.codec.decode_client(bytes),
            (Message::Text(_) | Message::Binary(_), codec) => Err(FrameError {
                id: None,
                error: Error::new(ErrorCode::Malformed, wrong_kind(codec)),
            }),
            (Message::Ping(_) | Message::Pong(_), _) => return Incoming::Alive,
            (Message::Close(_), _) => return Incoming::End(End::Client),
        };
        Incoming::Frame(frame)
    }

    /// Throws away what still comes, until the client has closed its side. Sends the answer to its close frame
    /// on the way.
    pub(crate) async fn discard(&mut self) {
        while let Some(Ok(_)) = self.stream.next().await {}
    }

    /// Carries out what the client asks until it leaves. On a fault, a lost heartbeat or a closed outbox it
    /// never returns: the writer ends the connection once it has said so.
    pub(crate) async fn run(
        &mut self,
        gateway: &Gateway,
        session: &Arc<Session>,
        outbox: &Outbox,
        ping: &Notify,
    ) -> End {
        let mut heartbeat = Heartbeat::new(gateway.settings().heartbeat, Instant::now());
        let alarm = tokio::time::sleep_until(heartbeat.first());
        let mut alarm = std::pin::pin!(alarm);
        let mut malformed = 0;
        loop {
            let incoming = tokio::select! {
                incoming = self.next() => incoming,
                () = &mut alarm => {
                    match heartbeat.ring(Instant::now()) {
                        Beat::Wait(until) => alarm.as_mut().reset(until),
                        Beat::Ping(until) => {
                            ping.notify_one();
                            alarm.as_mut().reset(until);
                        }
                        Beat::Lost => {
                            outbox.close(CloseCode::HeartbeatLost);
                            return pending().await;
                        }
                    }
                    continue;
                }
            };
            match incoming {
                Incoming::Frame(frame) => {
                    gateway.counters().frames_in.increment(1);
                    // Replies queue up for a client that does not read them: it is not read from either.
                    if !outbox.until_roomy().await {
                        return pending().await;
                    }
                    match frame {
                        Ok(frame) => carry_out(session, outbox, frame).await,
                        Err(refusal) => {
                            malformed += u32::from(refusal.error.code == ErrorCode::Malformed);
                            answer(outbox, refusal.id, refusal.error);
                        }
                    }
                    if malformed >= gateway.settings().max_malformed {
                        outbox.close(CloseCode::ProtocolError);
                        return pending().await;
                    }
                }
                Incoming::Alive => {}
                Incoming::End(end) => return end,
                Incoming::Fault(fault) => {
                    fault.tell(outbox);
                    return pending().await;
                }
            }
            // Only now: while a command was carried out, the client was not listened to.
            heartbeat.heard(Instant::now());
        }
    }
}

async fn carry_out(session: &Arc<Session>, outbox: &Outbox, frame: ClientFrame) {
    match frame.command {
        Command::Auth(_) => {
            let error = Error::new(ErrorCode::Invalid, "the connection is authenticated already");
            answer(outbox, Some(frame.id), error);
        }
        // On the heap, since it is large and most connections are idle.
        command => Box::pin(session.handle(frame.id, command)).await,
    }
}

/// Queues an error: a reply where the id is known, an event where not.
pub(crate) fn answer(outbox: &Outbox, id: Option<u64>, error: Error) {
    outbox.push(match id {
        Some(id) => SharedFrame::reply(id, Err(error)),
        None => SharedFrame::error(error),
    });
}

fn wrong_kind(codec: Codec) -> &'static str {
    match codec {
        Codec::Json => "starling.v1.json is spoken in text frames",
        Codec::MessagePack => "starling.v1.msgpack is spoken in binary frames",
    }
}

/// What a failure to read means. axum hides its WebSocket's error type; the versions must agree, which a test
/// of the frame limit shows.
fn broken(error: axum::Error) -> Incoming {
    match error.into_inner().downcast_ref::<WireError>() {
        Some(WireError::Capacity(_)) => Incoming::Fault(Fault::too_large()),
        Some(WireError::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Incoming::End(End::Lost),
        Some(WireError::Protocol(violation)) => Incoming::Fault(Fault::not_websocket(violation.to_string())),
        Some(WireError::Utf8(_)) => Incoming::Fault(Fault::not_websocket("a text frame is not UTF-8".into())),
        _ => Incoming::End(End::Lost),
    }
}
