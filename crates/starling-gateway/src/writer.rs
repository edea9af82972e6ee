//! What goes to the client.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures::SinkExt;
use futures::stream::SplitSink;
use metrics::Counter;
use starling_core::{Drained, Outbox, SharedFrame};
use starling_protocol::{CloseCode, Codec};
use tokio::sync::Notify;

use crate::closing::End;

/// The client is gone, or does not read.
struct Lost;

/// The server's side of a connection.
pub(crate) struct Writer {
    sink: SplitSink<WebSocket, Message>,
    codec: Codec,
    /// For one wait for room, not for a batch: a slow line that moves is not cut.
    patience: Duration,
    frames_out: Counter,
}

impl Writer {
    pub(crate) fn new(
        sink: SplitSink<WebSocket, Message>,
        codec: Codec,
        patience: Duration,
        frames_out: Counter,
    ) -> Self {
        Self {
            sink,
            codec,
            patience,
            frames_out,
        }
    }

    /// Writes what is queued until the outbox is closed or the client is lost. Sends a ping when told to.
    pub(crate) async fn run(&mut self, outbox: &Outbox, ping: &Notify) -> End {
        loop {
            // Not biased: a stream of frames must not keep the ping back.
            let written = tokio::select! {
                drained = outbox.drain() => match drained {
                    Drained::Frames(frames) => self.write(frames, outbox).await,
                    Drained::Closed(code) => return End::Server(code),
                },
                () = ping.notified() => self.ping().await,
            };
            if written.is_err() {
                return End::Lost;
            }
        }
    }

    /// Says why the connection ends.
    pub(crate) async fn close(&mut self, code: CloseCode) {
        let reason = Utf8Bytes::from_static(code.reason());
        let frame = Message::Close(Some(CloseFrame {
            code: code.code(),
            reason,
        }));
        let _ = tokio::time::timeout(self.patience, self.sink.send(frame)).await;
    }

    /// Feeds all and flushes once.
    async fn write(&mut self, frames: Vec<Arc<SharedFrame>>, outbox: &Outbox) -> Result<(), Lost> {
        let mut written = 0;
        for frame in frames {
            // Too late for the rest: the client will ask for it again, and should know soon that it must.
            if outbox.closed() == Some(CloseCode::SlowConsumer) {
                break;
            }
            let bytes = frame.bytes(self.codec).clone();
            let message = match self.codec {
                Codec::Json => Message::Text(Utf8Bytes::try_from(bytes).map_err(|_| Lost)?),
                Codec::MessagePack => Message::Binary(bytes),
            };
            in_time(self.patience, self.sink.feed(message)).await?;
            written += 1;
        }
        in_time(self.patience, self.sink.flush()).await?;
        self.frames_out.increment(written);
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Lost> {
        in_time(self.patience, self.sink.send(Message::Ping(Default::default()))).await
    }
}

async fn in_time(
    patience: Duration,
    write: impl Future<Output = Result<(), axum::Error>>,
) -> Result<(), Lost> {
    match tokio::time::timeout(patience, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Lost),
    }
}
