//! The one connection on which this node hears the others.
//!
//! fred can reconnect and resubscribe a subscriber by itself, but whoever relies on that does not learn when the
//! subscription is in force again, and a confirmation that never comes goes unnoticed. So here each connection
//! is a client of its own that ends when it breaks, and a subscription counts only once a command that was sent
//! after it has been answered on the same connection.
//!
//! In a cluster a message that is published anywhere reaches the subscribers of every server. So the connection
//! goes to any one server, and after a break to another.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{AuthInterface, ClientLike, EventInterface, PubsubInterface};
use fred::types::config::{Options, Server};
use fred::types::{ClusterHash, CustomCommand, Message, RespVersion};
use parking_lot::Mutex;
use starling_core::ports::BusEvent;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::closing::Closing;
use crate::connections::Connections;
use crate::lane::{ConnectTask, Lane, QUIT};
use crate::{RedisError, RedisSettings};

/// How often the connection is tried.
const PULSE: Duration = Duration::from_secs(1);
/// Between attempts to connect: at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Why messages may have been missed, told by the lanes. Several in short order count as one.
#[derive(Default)]
pub(crate) struct Interruptions {
    reason: Mutex<Option<&'static str>>,
    noted: Notify,
}

impl Interruptions {
    pub(crate) fn note(&self, reason: &'static str) {
        *self.reason.lock() = Some(reason);
        self.noted.notify_one();
    }

    async fn next(&self) -> &'static str {
        loop {
            self.noted.notified().await;
            if let Some(reason) = self.reason.lock().take() {
                return reason;
            }
        }
    }
}

/// What is asked of the subscriber.
struct Order {
    channel: String,
    into: mpsc::Sender<BusEvent>,
    done: oneshot::Sender<()>,
}

/// Gives orders to the subscriber.
pub(crate) struct SubscriberHandle {
    orders: mpsc::Sender<Order>,
    patience: Duration,
}

impl SubscriberHandle {
    /// Hears `channel` from now on, and nothing else. Returns when the subscription is in force.
    pub(crate) async fn listen(
        &self,
        channel: String,
        into: mpsc::Sender<BusEvent>,
    ) -> Result<(), RedisError> {
        let (done, finished) = oneshot::channel();
        let ordered = async {
            self.orders.send(Order { channel, into, done }).await.ok()?;
            finished.await.ok()
        };
        match timeout(self.patience, ordered).await {
            Ok(Some(())) => Ok(()),
            _ => {
                metrics::counter!("starling_redis_errors_total", "operation" => "listen").increment(1);
                Err(RedisError::Down)
            }
        }
    }
}

/// A connection to one server.
struct Connection {
    client: Client,
    messages: broadcast::Receiver<Message>,
    task: ConnectTask,
}

struct Wanted {
    channel: String,
    into: mpsc::Sender<BusEvent>,
}

pub(crate) struct Subscriber {
    connections: Connections,
    lanes: Vec<Arc<Lane>>,
    interruptions: Arc<Interruptions>,
    orders: mpsc::Receiver<Order>,
    command_timeout: Duration,
    connect_timeout: Duration,
    /// Which server is next: at first any, so that the nodes spread over the servers of a cluster.
    turn: usize,
    /// The first connection, until it is used.
    first: Option<Connection>,
    wanted: Option<Wanted>,
    /// An order that the connection broke upon.
    postponed: Option<Order>,
    /// Why the listener has to be told that it may have missed something, as soon as it has room for that.
    owed: Option<&'static str>,
}

/// Why a connection is not used any more.
enum End {
    Closing,
    Broken(String),
}

impl Subscriber {
    pub(crate) async fn connect(
        connections: Connections,
        lanes: Vec<Arc<Lane>>,
        interruptions: Arc<Interruptions>,
        settings: &RedisSettings,
    ) -> Result<(Self, SubscriberHandle), RedisError> {
        let (sender, orders) = mpsc::channel(4);
        let mut subscriber = Self {
            connections,
            lanes,
            interruptions,
            orders,
            command_timeout: settings.command_timeout,
            connect_timeout: settings.connect_timeout,
            turn: rand::random_range(0..1000),
            first: None,
            wanted: None,
            postponed: None,
            owed: None,
        };
        let attempts = subscriber.connections.servers().len().max(3);
        for attempt in 1..=attempts {
            match subscriber.open().await {
                Ok(connection) => {
                    subscriber.first = Some(connection);
                    break;
                }
                Err(e) if attempt == attempts => return Err(RedisError::Connect(e.to_string())),
                Err(_) => {}
            }
        }
        Ok((
            subscriber,
            SubscriberHandle {
                orders: sender,
                patience: settings.command_timeout * 2,
            },
        ))
    }

    /// Hears until `closing`.
    pub(crate) async fn run(mut self, mut closing: Closing) {
        loop {
            let connection = match self.first.take() {
                Some(connection) => connection,
                None => match self.reopen(&mut closing).await {
                    Some(connection) => connection,
                    None => return,
                },
            };
            let client = connection.client.clone();
            match self.hear(connection, &mut closing).await {
                End::Closing => {
                    let _ = timeout(QUIT, client.quit()).await;
                    return;
                }
                End::Broken(reason) => tracing::warn!(reason, "the redis subscription broke"),
            }
            if self.wanted.is_some() {
                self.owe("resubscribed");
            }
        }
    }

    /// Connects until it works; `None` when closing.
    async fn reopen(&mut self, closing: &mut Closing) -> Option<Connection> {
        let mut backoff = BACKOFF.0;
        loop {
            tokio::select! {
                () = closing.wait() => return None,
                () = sleep(backoff.mul_f64(rand::random_range(0.5..1.0))) => {}
            }
            tokio::select! {
                () = closing.wait() => return None,
                connection = self.open() => match connection {
                    Ok(connection) => return Some(connection),
                    Err(e) => tracing::debug!(error = %e, "cannot connect to redis to subscribe"),
                }
            }
            backoff = (backoff * 2).min(BACKOFF.1);
        }
    }

    async fn open(&mut self) -> Result<Connection, Error> {
        let server = self.server()?;
        let client = self.connections.subscriber(server);
        let messages = client.message_rx();
        let task = ConnectTask::start(&client, self.connect_timeout * 3).await?;
        // Only with RESP3 may commands go between the messages. Not in fred's configuration, which would make
        // it send the password in a form that cannot hold blanks or quotes.
        let limited = client.with_options(&Options {
            timeout: Some(self.command_timeout),
            ..Options::default()
        });
        limited.hello(RespVersion::RESP3, None, None).await?;
        Ok(Connection {
            client,
            messages,
            task,
        })
    }

    /// One of the servers that are known: those of the URL, and in a cluster those that the lanes have found.
    fn server(&mut self) -> Result<Server, Error> {
        let mut servers: BTreeSet<Server> = self.connections.servers().into_iter().collect();
        if self.connections.is_cluster() {
            servers.extend(self.lanes.iter().flat_map(|lane| lane.servers()));
        }
        self.turn += 1;
        let turn = self.turn % servers.len().max(1);
        servers
            .into_iter()
            .nth(turn)
            .ok_or_else(|| Error::new(ErrorKind::Config, "the URL names no server"))
    }

    /// Hears on one connection until it breaks.
    async fn hear(&mut self, mut connection: Connection, closing: &mut Closing) -> End {
        let client = connection.client.clone();
        if let Some(wanted) = &self.wanted
            && let Err(e) = subscribe(&client, &wanted.channel, self.command_timeout).await
        {
            return End::Broken(e.to_string());
        }
        if let Some(order) = self.postponed.take()
            && let Err(e) = self.follow(order, &client).await
        {
            return End::Broken(e.to_string());
        }
        let mut pulse = Box::pin(pulse(
            &client,
            self.connections.is_cluster().then(|| self.lanes.clone()),
            self.command_timeout * 2,
        ));
        loop {
            let owed = self
                .owed
                .and_then(|reason| Some((reason, self.wanted.as_ref()?.into.clone())));
            tokio::select! {
                () = closing.wait() => return End::Closing,
                message = connection.messages.recv() => match message {
                    Ok(message) => self.forward(message),
                    // The stream goes on behind the gap.
                    Err(RecvError::Lagged(missed)) => {
                        metrics::counter!("starling_bus_dropped_total", "reason" => "lagged").increment(missed);
                        self.owe("lagged");
                    }
                    Err(RecvError::Closed) => return End::Broken("the stream of messages was closed".to_owned()),
                },
                Some(order) = self.orders.recv() => {
                    if let Err(e) = self.follow(order, &client).await {
                        return End::Broken(e.to_string());
                    }
                }
                reason = self.interruptions.next() => self.owe(reason),
                Some(permit) = room(owed.as_ref()) => {
                    if let Some(reason) = self.owed.take() {
                        permit.send(BusEvent::Missed { reason });
                    }
                }
                broken = &mut pulse => return End::Broken(broken.to_string()),
                ended = &mut connection.task.0 => return End::Broken(format!("the connection ended: {ended:?}")),
            }
        }
    }

    /// Does what is asked for, unless whoever asked has given up.
    async fn follow(&mut self, order: Order, client: &Client) -> Result<(), Error> {
        if order.done.is_closed() {
            return Ok(());
        }
        if let Err(e) = subscribe(client, &order.channel, self.command_timeout).await {
            self.postponed = Some(order);
            return Err(e);
        }
        let Order { channel, into, done } = order;
        let old = self.wanted.replace(Wanted { channel, into });
        let _ = done.send(());
        match (old, &self.wanted) {
            (Some(old), Some(new)) if old.channel != new.channel => client.unsubscribe(old.channel).await,
            _ => Ok(()),
        }
    }

    fn forward(&mut self, message: Message) {
        let Some(wanted) = self
            .wanted
            .as_ref()
            .filter(|wanted| message.channel == wanted.channel)
        else {
            return;
        };
        let payload: Bytes = message.value.into_bytes().unwrap_or_default();
        if let Err(TrySendError::Full(_)) = wanted.into.try_send(BusEvent::Message(payload)) {
            metrics::counter!("starling_bus_dropped_total", "reason" => "full").increment(1);
            self.owe("full");
        }
    }

    fn owe(&mut self, reason: &'static str) {
        if self.wanted.is_some() && self.owed.replace(reason).is_none() {
            metrics::counter!("starling_bus_missed_total", "reason" => reason).increment(1);
        }
    }
}

/// Room for one event, if one is owed; otherwise `None`, which disables the branch.
async fn room<'a>(
    owed: Option<&'a (&'static str, mpsc::Sender<BusEvent>)>,
) -> Option<mpsc::Permit<'a, BusEvent>> {
    owed?.1.reserve().await.ok()
}

/// Subscribes, and waits until that is in force: the server answers the commands of a connection in order.
async fn subscribe(client: &Client, channel: &str, limit: Duration) -> Result<(), Error> {
    let limited = client.with_options(&Options {
        timeout: Some(limit),
        ..Options::default()
    });
    limited.subscribe(channel).await?;
    limited.ping::<()>(None).await
}

/// Tries the connection again and again; ends when it does not work.
///
/// In a cluster it also tells the lanes when servers have changed roles. They find that out by themselves when
/// they are redirected or a connection breaks, but not from a master that just hangs: fred takes a connection
/// that is written to for one that works.
async fn pulse(client: &Client, cluster: Option<Vec<Arc<Lane>>>, limit: Duration) -> Error {
    let limited = client.with_options(&Options {
        timeout: Some(limit),
        ..Options::default()
    });
    let (mut unwell, mut epoch) = (0, None);
    loop {
        let Some(lanes) = &cluster else {
            sleep(PULSE).await;
            match limited.ping::<()>(None).await {
                Err(e) if is_broken(&e) => return e,
                _ => continue,
            }
        };
        let info = CustomCommand::new_static("CLUSTER", ClusterHash::FirstKey, false);
        let info = match limited.custom::<String, _>(info, vec!["INFO"]).await {
            Ok(info) => info,
            Err(e) if is_broken(&e) => return e,
            // It may not ask, but it was answered.
            Err(_) => {
                sleep(PULSE).await;
                continue;
            }
        };
        // A server that is cut off from its cluster answers, but hears nothing that is published elsewhere.
        unwell = if info.contains("cluster_state:ok") {
            0
        } else {
            unwell + 1
        };
        if unwell > 5 {
            return Error::new(
                ErrorKind::Cluster,
                "the server is cut off, or its cluster is down",
            );
        }
        // Raised by every failover. What happened before it is read for the first time is not known either.
        let current = info
            .lines()
            .find_map(|line| line.strip_prefix("cluster_current_epoch:"))
            .map(str::to_owned);
        if epoch != current {
            lanes.iter().for_each(|lane| lane.look_again());
            epoch = current;
        }
        sleep(PULSE).await;
    }
}

/// Whether nothing was answered, rather than something unpleasant.
fn is_broken(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Timeout | ErrorKind::IO | ErrorKind::Canceled | ErrorKind::Protocol
    )
}
