//! One connection for commands, and what is known of its health.
//!
//! fred bounds how long one command waits, but not how long a caller waits who tries again: with a server that
//! is stopped, each command takes the whole time limit, and what was sent is carried out when the server goes
//! on. So a lane whose commands all time out is closed: callers are refused at once, nothing more is sent but a
//! probe, and the lane opens again when that is answered.
//!
//! fred gathers commands, and writes them out with the last one that waits. What waits it counts; commands that it
//! drops when a connection's task ends it does not count back, and from then on something seems to wait for ever: only
//! scripts and `PING` are still written out at once, other commands with the next of those, if they have not timed out by
//! then. So a client whose task has ended is not used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, ClusterInterface, EventInterface};
use fred::types::ConnectHandle;
use fred::types::config::Options;
use parking_lot::RwLock;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout};

use crate::closing::Closing;
use crate::connections::{Connections, silence};
use crate::subscriber::Interruptions;
use crate::{RedisError, RedisSettings};

/// How often an idle connection is tried.
const IDLE: Duration = Duration::from_secs(1);
/// How long closing may take. fred waits for what is under way; a server that is stopped would keep it for ever.
pub(crate) const QUIT: Duration = Duration::from_secs(1);

pub(crate) struct Lane {
    connections: Connections,
    /// Another one once its task has ended.
    client: RwLock<Client>,
    born: Instant,
    /// When a command was last answered, in milliseconds since `born`.
    answered: AtomicU64,
    silent: AtomicBool,
    probe: Notify,
    look_again: Notify,
    probe_timeout: Duration,
}

impl Lane {
    /// Connects. The task that comes with it runs the connection.
    pub(crate) async fn connect(
        connections: &Connections,
        settings: &RedisSettings,
    ) -> Result<(Arc<Self>, ConnectTask), RedisError> {
        let client = connections.commands();
        let task = ConnectTask::start(&client, settings.connect_timeout * 3)
            .await
            .map_err(|e| RedisError::Connect(e.to_string()))?;
        let lane = Self {
            connections: connections.clone(),
            client: RwLock::new(client),
            born: Instant::now(),
            answered: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            probe: Notify::new(),
            look_again: Notify::new(),
            probe_timeout: silence(settings) + settings.command_timeout,
        };
        Ok((Arc::new(lane), task))
    }

    /// Whether it is worth sending something.
    pub(crate) fn is_open(&self) -> bool {
        !self.silent.load(Ordering::Relaxed) && self.client.read().is_connected()
    }

    /// The client to send with. Report the outcome to [`Lane::settle`].
    pub(crate) fn client(&self) -> Client {
        self.client.read().clone()
    }

    /// The servers to which it is connected, as far as is known.
    pub(crate) fn servers(&self) -> Vec<fred::types::config::Server> {
        self.client.read().active_connections()
    }

    /// Looks anew at which server of the cluster has which slots.
    pub(crate) fn look_again(&self) {
        self.look_again.notify_one();
    }

    /// Draws the conclusions from the outcome of a command that was sent at `sent`.
    pub(crate) fn settle<T>(&self, operation: &'static str, sent: Instant, outcome: &Result<T, Error>) {
        metrics::histogram!("starling_redis_seconds", "operation" => operation).record(sent.elapsed());
        match outcome {
            Ok(_) => self.heard(),
            Err(e) if *e.kind() == ErrorKind::Timeout => {
                // If others were answered meanwhile, it is one server of a cluster, or plain load.
                let answered = self.born + Duration::from_millis(self.answered.load(Ordering::Relaxed));
                if answered < sent && !self.silent.swap(true, Ordering::Relaxed) {
                    tracing::warn!(operation, "redis does not answer");
                    self.probe.notify_one();
                }
            }
            Err(_) => {}
        }
    }

    fn heard(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.answered.store(now, Ordering::Relaxed);
    }

    fn idle(&self) -> bool {
        self.born.elapsed() >= Duration::from_millis(self.answered.load(Ordering::Relaxed)) + IDLE
    }

    /// Keeps the lane going until `closing`: probes it, starts its connection anew should fred give up, and
    /// tells the bus of every interruption.
    pub(crate) async fn keep(
        self: Arc<Self>,
        mut task: ConnectTask,
        interruptions: Arc<Interruptions>,
        mut closing: Closing,
    ) {
        let mut reconnects = self.client().reconnect_rx();
        loop {
            tokio::select! {
                () = closing.wait() => {
                    let _ = timeout(QUIT, self.client().quit()).await;
                    return;
                }
                ended = &mut task.0 => {
                    tracing::warn!(?ended, "the redis connection ended; starting it anew");
                    // The first answer opens the lane.
                    self.silent.store(true, Ordering::Relaxed);
                    tokio::time::sleep(IDLE.mul_f64(rand::random_range(0.2..0.5))).await;
                    let client = self.connections.commands_after(&self.client());
                    reconnects = client.reconnect_rx();
                    task = ConnectTask(client.connect());
                    *self.client.write() = client;
                }
                event = reconnects.recv() => match event {
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        metrics::counter!("starling_redis_reconnects_total").increment(1);
                        interruptions.note("reconnected");
                        self.probe.notify_one();
                    }
                    // Replaced by `quit`, which comes with `closing`.
                    Err(RecvError::Closed) => tokio::time::sleep(IDLE).await,
                },
                () = self.look_again.notified() => {
                    if let Ok(Err(e)) = timeout(self.probe_timeout, self.client().sync_cluster()).await {
                        tracing::debug!(error = %e, "cannot look at the cluster");
                    }
                    // Writes out what waited when fred looked.
                    self.probe(&interruptions, &mut task).await;
                }
                () = self.probe.notified() => self.probe(&interruptions, &mut task).await,
                () = tokio::time::sleep(IDLE) => {
                    if self.silent.load(Ordering::Relaxed) || self.idle() {
                        self.probe(&interruptions, &mut task).await;
                    }
                }
            }
        }
    }

    /// Sends one `PING` and waits for longer than fred waits until it gives the connection up: each write makes
    /// fred start waiting anew, so that a probe every second would keep a dead connection for ever.
    async fn probe(&self, interruptions: &Interruptions, task: &mut ConnectTask) {
        let client = self.client();
        if !client.is_connected() {
            return;
        }
        let patient = Options {
            timeout: Some(self.probe_timeout),
            ..Options::default()
        };
        let outcome = client.with_options(&patient).ping::<()>(None).await;
        match outcome {
            Ok(()) => {
                self.heard();
                if self.silent.swap(false, Ordering::Relaxed) {
                    tracing::info!("redis answers again");
                    interruptions.note("recovered");
                }
            }
            Err(e) if *e.kind() == ErrorKind::Timeout => {
                self.silent.store(true, Ordering::Relaxed);
                // Otherwise fred has noticed, and is at it.
                if client.is_connected() {
                    tracing::warn!("a redis connection is dead; starting it anew");
                    task.0.abort();
                }
            }
            Err(e) => tracing::debug!(error = %e, "redis probe failed"),
        }
    }
}

/// Runs a connection; ends with this value.
pub(crate) struct ConnectTask(pub(crate) ConnectHandle);

impl ConnectTask {
    /// Connects, within `limit`.
    pub(crate) async fn start(client: &Client, limit: Duration) -> Result<Self, Error> {
        if let Ok(connected) = timeout(limit, client.init()).await {
            return connected.map(Self);
        }
        // fred's task is still at it, on its own; it finds this when it is through.
        let _ = timeout(QUIT, client.quit()).await;
        Err(Error::new(ErrorKind::Timeout, "connecting took too long"))
    }
}

impl Drop for ConnectTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}
