//! What an operator may change about Socket.IO, with the documented defaults.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use starling_protocol::ConversationId;

/// The settings.
#[derive(Debug, Clone)]
pub struct SocketIoSettings {
    /// How long a connection may take to be let into a namespace.
    pub connect_timeout: Duration,
    /// Connections of this node that may be in no namespace at the same time.
    pub max_pending: usize,
    /// How often a client is pinged.
    pub heartbeat: Duration,
    /// How long it may take to answer.
    pub heartbeat_timeout: Duration,
    /// How long a frame may wait for room in front of a client that does not read.
    pub write_timeout: Duration,
    /// Bytes that are queued for a client before it counts as too slow.
    pub outbox_bytes: usize,
    /// Bytes that a client may send ahead of what is carried out.
    pub inbox_bytes: usize,
    /// Which web pages may poll from another origin.
    pub origins: Origins,
    /// What a client must show.
    pub identification: Identification,
    /// What joining a room means that there is not.
    pub rooms: Rooms,
    /// The one conversation that Community Chat's clients are in.
    pub community: ConversationId,
    /// How often Chatter's clients should compare what they hold with what is stored.
    pub sync_interval: Duration,
    /// How proxies in front are seen through.
    pub client_address: ClientAddress,
}

/// From the peer's address and a request's headers to who sent it.
type Find = dyn Fn(IpAddr, &HeaderMap) -> IpAddr + Send + Sync;

/// Who sent a request: the peer, or, where that is a trusted proxy, whom its headers name.
#[derive(Clone)]
pub struct ClientAddress(Arc<Find>);

impl ClientAddress {
    /// As this finds out.
    pub fn new(find: impl Fn(IpAddr, &HeaderMap) -> IpAddr + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    pub(crate) fn of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        (self.0)(peer, headers)
    }
}

impl Default for ClientAddress {
    /// No proxy is believed.
    fn default() -> Self {
        Self::new(|peer, _| peer)
    }
}

impl fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAddress").finish_non_exhaustive()
    }
}

fn community() -> ConversationId {
    match ConversationId::new("community") {
        Ok(id) => id,
        Err(_) => unreachable!("letters are an id"),
    }
}

/// Web pages of which origins may use HTTP long polling. (WebSockets know no such rule.)
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origins {
    /// Only those that this very host serves.
    #[default]
    Same,
    /// Those of these origins.
    List(Vec<String>),
    /// All.
    Any,
}

/// What a client must show to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Identification {
    /// A token.
    #[default]
    Token,
    /// A token, or, where it has none, whatever user id it gives. For development only.
    BareUserId,
}

/// What joining a room means that there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rooms {
    /// An error.
    #[default]
    MustExist,
    /// It is made, open to everyone.
    MadeOnJoin,
}

impl Default for SocketIoSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            max_pending: 1_000,
            heartbeat: Duration::from_secs(25),
            heartbeat_timeout: Duration::from_secs(20),
            write_timeout: Duration::from_secs(10),
            outbox_bytes: 1 << 20,
            inbox_bytes: 1 << 20,
            origins: Origins::default(),
            identification: Identification::default(),
            rooms: Rooms::default(),
            community: community(),
            sync_interval: Duration::from_secs(300),
            client_address: ClientAddress::default(),
        }
    }
}
