//! A TCP proxy on this machine. It knows nothing of what passes it, but for a name in the opening of a connection.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::link::{Direction, Link};

const PIECE: usize = 16 * 1024;
/// Pieces that wait in one direction of a connection before it is read no further.
const PIECES: usize = 256;
/// The opening of a connection to MongoDB, a `hello`, is some hundred bytes.
const LONGEST_OPENING: usize = 64 * 1024;

/// Who connects to a proxy.
pub(crate) enum Callers {
    /// One node.
    Node(Arc<Link>),
    /// Programs that tell in their first message who they are: those whose message holds a name have that link, all
    /// others have one together. It is MongoDB's way, a message that begins with its own length; members of a replica
    /// set find one another through the same proxies as the nodes do.
    Named {
        /// By name.
        links: Vec<(String, Arc<Link>)>,
        /// The members of the replica set.
        others: Arc<Link>,
    },
}

/// A proxy; dropping it ends it and its connections.
pub(crate) struct Proxy {
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on one port of 127.0.0.1 and passes everything on to another.
    pub(crate) async fn start(port: u16, to: u16, callers: Callers) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("cannot listen on port {port}"))?;
        let task = tokio::spawn(accept(listener, to, Arc::new(callers)));
        Ok(Self { task })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, to: u16, callers: Arc<Callers>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // How a connection ends is its two ends' concern.
                Ok((client, _)) => {
                    let callers = Arc::clone(&callers);
                    connections.spawn(async move { drop(serve(client, to, &callers).await) });
                }
                // Out of open files, say; without a pause this would take a whole core.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut client: TcpStream, to: u16, callers: &Callers) -> Result<()> {
    client.set_nodelay(true)?;
    let (link, opening) = match callers {
        Callers::Node(link) => (Arc::clone(link), Vec::new()),
        Callers::Named { links, others } => {
            let opening = read_opening(&mut client).await?;
            let named = links.iter().find(|(name, _)| contains(&opening, name.as_bytes()));
            let link = named.map_or(others, |(_, link)| link);
            (Arc::clone(link), opening)
        }
    };
    if link.is_cut() {
        link.strike();
        return reset(&client);
    }
    let mut server = TcpStream::connect(("127.0.0.1", to)).await?;
    server.set_nodelay(true)?;
    let lost = AtomicBool::new(false);
    let passed = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let requests = pass_on(opening, from_client, to_server, Direction::Request, &link, &lost);
        let replies = pass_on(Vec::new(), from_server, to_client, Direction::Reply, &link, &lost);
        tokio::select! {
            passed = async { tokio::try_join!(requests, replies).map(drop) } => passed,
            () = link.broken(&lost) => Err(Error::from(ErrorKind::ConnectionReset)),
        }
    };
    if passed.is_err() {
        reset(&client)?;
        reset(&server)?;
    }
    passed
}

/// Dropping the socket then resets the connection: what is on its way is lost.
fn reset(socket: &TcpStream) -> Result<()> {
    SockRef::from(socket).set_linger(Some(Duration::ZERO))
}

/// The first message, which begins with its own length.
async fn read_opening(client: &mut TcpStream) -> Result<Vec<u8>> {
    let mut opening = vec![0; 4];
    client.read_exact(&mut opening).await?;
    let length = u32::from_le_bytes([opening[0], opening[1], opening[2], opening[3]]) as usize;
    if !(4..=LONGEST_OPENING).contains(&length) {
        return Ok(opening);
    }
    opening.resize(length, 0);
    client.read_exact(&mut opening[4..]).await?;
    Ok(opening)
}

fn contains(bytes: &[u8], name: &[u8]) -> bool {
    bytes.windows(name.len()).any(|window| window == name)
}

/// One direction of a connection, until it is shut or broken.
async fn pass_on(
    opening: Vec<u8>,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    direction: Direction,
    link: &Link,
    lost: &AtomicBool,
) -> Result<()> {
    // Read and written apart, so that a delay holds nothing up beyond itself.
    let (pieces, mut waiting) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let read = async move {
        if !opening.is_empty() && pieces.send((Instant::now(), opening)).await.is_err() {
            return Ok(());
        }
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let shut = from.read_buf(&mut piece).await? == 0;
            if shut || pieces.send((Instant::now(), piece)).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((arrived, piece)) = waiting.recv().await {
            if link.pass(direction, arrived, lost).await? {
                to.write_all(&piece).await?;
            }
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}

#[cfg(test)]
mod tests {
    use starling_cluster::ReservedPort;

    use super::*;
    use crate::network::Weather;
    use crate::stage::eventually;

    /// A server that answers every piece with itself, behind a proxy.
    async fn echo() -> (Arc<Link>, Proxy, ReservedPort) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = server.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = socket.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        let port = ReservedPort::any().unwrap();
        let link = Arc::new(Link::new());
        let callers = Callers::Named {
            links: vec![("node1".into(), Arc::clone(&link))],
            others: Arc::new(Link::new()),
        };
        let proxy = Proxy::start(port.number(), to, callers).await.unwrap();
        (link, proxy, port)
    }

    async fn caller(port: &ReservedPort, name: &str) -> TcpStream {
        let mut socket = TcpStream::connect(("127.0.0.1", port.number())).await.unwrap();
        let mut opening = u32::try_from(4 + name.len()).unwrap().to_le_bytes().to_vec();
        opening.extend(name.as_bytes());
        socket.write_all(&opening).await.unwrap();
        socket
    }

    async fn hears(socket: &mut TcpStream, bytes: usize) -> bool {
        let mut heard = vec![0; bytes];
        let wait = tokio::time::timeout(Duration::from_secs(10), socket.read_exact(&mut heard));
        matches!(wait.await, Ok(Ok(_)))
    }

    async fn hears_nothing(socket: &mut TcpStream) -> bool {
        let mut heard = [0];
        let wait = tokio::time::timeout(Duration::from_millis(200), socket.read_exact(&mut heard));
        wait.await.is_err()
    }

    async fn until_struck(link: &Link) {
        eventually("a piece is struck", Duration::from_secs(10), async || {
            link.struck() > 0
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn only_those_of_the_name_are_struck() {
        let (link, _proxy, port) = echo().await;
        let (mut node, mut other) = (caller(&port, "node1").await, caller(&port, "member").await);
        assert!(hears(&mut node, 9).await && hears(&mut other, 10).await);
        link.set(Weather::Cut);
        assert_eq!(
            node.read(&mut [0]).await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
        let mut again = caller(&port, "node1").await;
        assert!(again.read(&mut [0]).await.is_err());
        other.write_all(b"still there").await.unwrap();
        assert!(hears(&mut other, 11).await);
        assert_eq!(link.struck(), 2);
        link.set(Weather::Clear);
        assert!(hears(&mut caller(&port, "node1").await, 9).await);
    }

    #[tokio::test]
    async fn what_a_black_hole_held_back_arrives_in_the_end() {
        let (link, _proxy, port) = echo().await;
        let mut node = caller(&port, "node1").await;
        assert!(hears(&mut node, 9).await);
        link.set(Weather::BlackHole);
        node.write_all(b"hello").await.unwrap();
        until_struck(&link).await;
        assert!(hears_nothing(&mut node).await);
        assert_eq!(link.struck(), 1);
        link.set(Weather::Clear);
        assert!(hears(&mut node, 5).await);
    }

    #[tokio::test]
    async fn a_connection_that_lost_replies_is_reset_when_replies_pass_again() {
        let (link, _proxy, port) = echo().await;
        let (mut loser, mut idle) = (caller(&port, "node1").await, caller(&port, "node1").await);
        assert!(hears(&mut loser, 9).await && hears(&mut idle, 9).await);
        link.set(Weather::RepliesDropped);
        loser.write_all(b"hello").await.unwrap();
        until_struck(&link).await;
        assert!(hears_nothing(&mut loser).await);
        link.set(Weather::Clear);
        assert!(loser.read(&mut [0]).await.is_err());
        idle.write_all(b"hello").await.unwrap();
        assert!(hears(&mut idle, 5).await);
    }

    #[tokio::test]
    async fn a_delay_delays() {
        let (link, _proxy, port) = echo().await;
        let mut node = caller(&port, "node1").await;
        assert!(hears(&mut node, 9).await);
        link.set(Weather::Delayed(Duration::from_millis(150)));
        let sent = Instant::now();
        node.write_all(b"hello").await.unwrap();
        assert!(hears(&mut node, 5).await);
        assert!(sent.elapsed() >= Duration::from_millis(300));
    }
}
