//! Accepting connections: tuned sockets, and a pause instead of an end when there are no more descriptors.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::{Listener, ListenerExt, TapIo};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::TunedStream;

/// Connections that the kernel keeps while none is accepted: enough for all clients of a node that died.
const BACKLOG: u32 = 4096;
/// How long written bytes may stay unacknowledged before the kernel gives the connection up.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after a failure to accept that is the node's own, such as having no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// A listener whose connections are [`tune`]d and linger, for [`axum::serve()`]. It is made of axum's own adapter
/// so that `into_make_service_with_connect_info::<SocketAddr>()` works with it.
pub type TunedListener = TapIo<Accepting, fn(&mut TunedStream)>;

/// Listens at an address.
///
/// # Errors
/// The system's, for an address that is in use or not this machine's. Must be called inside a runtime.
pub fn listen(address: SocketAddr) -> io::Result<TunedListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restarted node must not wait for the connections of the one before it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(tuned(socket.listen(BACKLOG)?))
}

/// Wraps a listener that was made elsewhere.
pub fn tuned(listener: TcpListener) -> TunedListener {
    Accepting(listener).tap_io(|stream| {
        if let Some(Err(error)) = stream.socket().map(tune) {
            tracing::debug!(%error, "an accepted socket cannot be tuned");
        }
    })
}

/// Sets what every socket of Starling has: no delay of small writes, and an end for a peer that stops
/// acknowledging (a time-out of the writer alone does not free what the kernel holds).
///
/// # Errors
/// The system's; the socket works all the same.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

/// Accepts for ever: errors are counted and waited out.
#[derive(Debug)]
pub struct Accepting(TcpListener);

impl Listener for Accepting {
    type Io = TunedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TunedStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => return (TunedStream::new(stream), address),
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    metrics::counter!("starling_accept_errors_total").increment(1);
                    tracing::warn!(%error, "cannot accept connections, trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Whether the connection failed before it was accepted: the next one may be fine.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        error.kind(),
        K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset | K::Interrupted
    )
}
