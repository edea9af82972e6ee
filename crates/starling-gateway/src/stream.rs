//! An accepted connection, which ends without losing what was written last.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

/// How long a connection that we closed may go on talking, and how much of that is thrown away.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 << 20;

/// A TCP connection that lingers: where it is dropped while the other side may still be sending (a frame or a
/// body that is too large), what comes is thrown away for a while. Closing at once would make the kernel answer
/// with a reset, and the other side would lose the close frame or the response that says why.
#[derive(Debug)]
pub struct TunedStream {
    /// Taken only by the drop.
    stream: Option<TcpStream>,
    /// Nothing more will come.
    ended: bool,
}

impl TunedStream {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream: Some(stream),
            ended: false,
        }
    }

    pub(crate) fn socket(&self) -> Option<&TcpStream> {
        self.stream.as_ref()
    }

    fn io(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream
            .as_mut()
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for TunedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (room, filled) = (buf.remaining(), buf.filled().len());
        let poll = self.io()?.poll_read(cx, buf);
        match &poll {
            Poll::Ready(Ok(())) if room > 0 && buf.filled().len() == filled => self.ended = true,
            Poll::Ready(Err(_)) => self.ended = true,
            _ => {}
        }
        poll
    }
}

impl AsyncWrite for TunedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io()?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io()?.poll_shutdown(cx)
    }
}

impl Drop for TunedStream {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        if self.ended {
            return;
        }
        // Outside a runtime the process is on its way out: there is no one to wait.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = tokio::time::timeout(LINGER, discard(stream)).await;
            });
        }
    }
}

async fn discard(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut scrap = [0; 4096];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match stream.read(&mut scrap).await? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}
