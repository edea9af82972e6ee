//! A client that keeps the rules of docs/protocol.md: it connects anew, sends again what is unanswered, oldest
//! first, resumes by its cursors, and mends what has a gap. All its raw frames are recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use starling_check::{ClientRecorder, Recorder};
use starling_core::Drained;
use starling_protocol::{
    Command, ConversationId, Entry, ErrorCode, Event, Reply, Seq, ServerFrame, Sync, Synced, UserId,
};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use crate::asking::{Ask, Asking};
use crate::cluster::Cluster;
use crate::connection::{Connection, latency};

/// What a client is asked to do and has not begun.
const ASKS: usize = 1_024;
/// The close code of a connection that ended without one.
const BROKEN: u16 = 1006;

/// A user's device, as the rest of the test sees it.
pub(crate) struct Device {
    pub(crate) user: UserId,
    asks: mpsc::Sender<Ask>,
    view: Mutex<View>,
    cut: Notify,
    recorder: Arc<ClientRecorder>,
}

/// Where a client stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// The place of the node that it is connected to.
    pub(crate) place: Option<usize>,
    /// Its streams are live, as far as it knows.
    pub(crate) live: bool,
    /// Nothing that it has asked for is unanswered.
    pub(crate) settled: bool,
    /// The last entries that it has.
    pub(crate) cursors: BTreeMap<ConversationId, Seq>,
    deaf_until: Option<Instant>,
}

impl Device {
    /// A device that connects to nodes of the cluster until the runtime ends.
    pub(crate) fn start(
        name: &str,
        user: &UserId,
        cluster: &Arc<Cluster>,
        recorder: &Arc<Recorder>,
        seed: u64,
    ) -> Arc<Self> {
        let (asks, asked) = mpsc::channel(ASKS);
        let recorder = Arc::new(recorder.client(name, user));
        let device = Arc::new(Self {
            user: user.clone(),
            asks,
            view: Mutex::default(),
            cut: Notify::new(),
            recorder: recorder.clone(),
        });
        let client = Client {
            device: device.clone(),
            cluster: cluster.clone(),
            recorder: recorder.clone(),
            asked,
            asking: Asking::new(name, recorder),
            rng: StdRng::seed_from_u64(seed),
            cursors: BTreeMap::new(),
            sync: None,
            mending: BTreeSet::new(),
            mend_at: None,
        };
        tokio::spawn(client.run());
        device
    }

    /// Asks the client for something; it does it when it is connected.
    pub(crate) fn ask(&self, ask: Ask) {
        // A client with a thousand wishes unfulfilled is not given more.
        let _ = self.asks.try_send(ask);
    }

    pub(crate) fn view(&self) -> View {
        self.view.lock().clone()
    }

    /// Breaks the connection, if there is one.
    pub(crate) fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// The run is over: records where the client stands, if it is connected.
    pub(crate) fn finish(&self) {
        let view = self.view();
        if view.place.is_some() {
            self.recorder.finished(view.cursors);
        }
    }

    /// The client reads nothing for a while.
    pub(crate) fn deafen(&self, time: Duration) {
        self.view.lock().deaf_until = Some(Instant::now() + time);
    }
}

struct Client {
    device: Arc<Device>,
    cluster: Arc<Cluster>,
    recorder: Arc<ClientRecorder>,
    asked: mpsc::Receiver<Ask>,
    asking: Asking,
    rng: StdRng,
    cursors: BTreeMap<ConversationId, Seq>,
    /// The frame of the `sync` that is under way, and since when.
    sync: Option<(u64, Instant)>,
    /// Streams that are to be started again by the next `sync`.
    mending: BTreeSet<ConversationId>,
    mend_at: Option<Instant>,
}

impl Client {
    async fn run(mut self) {
        loop {
            let place = self.rng.random_range(0..self.cluster.size());
            if let Some(node) = self.cluster.node(place)
                && let Some(connection) = Connection::open(node, &self.device.user, &mut self.rng).await
            {
                self.device.view.lock().place = Some(place);
                let code = self.live(&connection).await;
                let broke = code == BROKEN && self.rng.random_bool(0.5);
                connection.end(broke);
                self.recorder.disconnected(code);
                (self.sync, self.mend_at) = (None, None);
                self.mending.clear();
                self.show(None);
            }
            let pause = self.rng.random_range(Duration::ZERO..Duration::from_millis(300));
            sleep(pause).await;
        }
    }

    /// From the connection's begin to its end; the close code.
    async fn live(&mut self, connection: &Connection) -> u16 {
        let patience = self
            .rng
            .random_range(Duration::from_secs(3)..Duration::from_secs(8));
        let began = Instant::now();
        let mut ready = false;
        loop {
            let waits = [
                self.asking.waits_since(),
                self.sync.map(|(_, since)| since),
                (!ready).then_some(began),
            ];
            let fed_up = waits.into_iter().flatten().min().map(|since| since + patience);
            tokio::select! {
                biased;
                () = connection.node.dies() => return BROKEN,
                () = self.device.cut.notified() => return BROKEN,
                drained = hear(&self.device, connection) => match drained {
                    Drained::Frames(frames) => {
                        sleep(latency(&mut self.rng)).await;
                        for frame in frames {
                            self.recorder.received(frame.frame());
                            if let ServerFrame::Event(Event::Ready(_)) = frame.frame() {
                                ready = true;
                                // What is unanswered first: nothing may overtake it.
                                self.asking.again(connection);
                                self.sync(connection, self.cursors.clone());
                            } else {
                                self.take(frame.frame());
                            }
                        }
                    }
                    Drained::Closed(code) => return code.code(),
                },
                () = until(self.mend_at), if ready && self.sync.is_none() => {
                    let named = self.cursors.iter().filter(|(id, _)| self.mending.contains(*id));
                    let named = named.map(|(id, cursor)| (id.clone(), *cursor)).collect();
                    self.sync(connection, named);
                }
                () = until(fed_up) => return BROKEN,
                Some(ask) = self.asked.recv(), if ready => {
                    let cursors = &self.cursors;
                    self.asking.ask(connection, ask, |id| cursors.get(id).copied());
                }
            }
            self.show(Some(ready));
        }
    }

    fn sync(&mut self, connection: &Connection, cursors: BTreeMap<ConversationId, Seq>) {
        let frame = self.asking.frame(Command::Sync(Sync { cursors }));
        self.sync = Some((frame.id, Instant::now()));
        self.mend_at = None;
        self.mending.clear();
        self.recorder.sent(&frame);
        connection.send(frame);
    }

    fn take(&mut self, frame: &ServerFrame) {
        match frame {
            ServerFrame::Event(Event::Conversation(state)) => {
                let id = &state.conversation.id;
                let cursor = *self.cursors.entry(id.clone()).or_insert(state.cursor);
                if cursor < state.cursor {
                    self.mend(id);
                }
            }
            ServerFrame::Event(Event::Entry(entry)) => self.entry(entry),
            ServerFrame::Event(
                Event::Ready(_)
                | Event::Receipts(_)
                | Event::Typing(_)
                | Event::Hidden(_)
                | Event::Presence(_)
                | Event::Error(_),
            ) => {}
            ServerFrame::Reply { id, result } => match (result, self.sync) {
                (Ok(Reply::Synced(synced)), Some((sync, _))) if sync == *id => {
                    self.sync = None;
                    self.synced(synced);
                }
                (Err(_), Some((sync, _))) if sync == *id => {
                    self.sync = None;
                    self.mending.extend(self.cursors.keys().cloned());
                    self.mend_at = Some(Instant::now() + Duration::from_millis(300));
                }
                _ => self.asking.answered(*id, result),
            },
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let id = &entry.conversation;
        self.asking.heard(&self.device.user, entry);
        match self.cursors.get_mut(id) {
            Some(cursor) if entry.seq <= *cursor => {}
            Some(cursor) if entry.seq == *cursor + 1 => *cursor = entry.seq,
            _ => self.mend(id),
        }
    }

    fn synced(&mut self, synced: &Synced) {
        for (id, error) in &synced.refused {
            // Whoever is no member any more is not streamed to; the others may be a new primary's lag.
            if error.code != ErrorCode::NotAMember {
                self.mend(id);
                self.mend_at = Some(Instant::now() + Duration::from_millis(300));
            }
        }
    }

    fn mend(&mut self, id: &ConversationId) {
        self.mending.insert(id.clone());
        let soon = Instant::now() + Duration::from_millis(50);
        self.mend_at.get_or_insert(soon);
    }

    fn show(&self, ready: Option<bool>) {
        let mut view = self.device.view.lock();
        view.live = ready == Some(true) && self.sync.is_none() && self.mend_at.is_none();
        view.settled = self.asking.is_settled() && self.asked.is_empty();
        view.cursors.clone_from(&self.cursors);
        if ready.is_none() {
            view.place = None;
        }
    }
}

/// What the node has for the device, once that listens. Cancel-safe.
async fn hear(device: &Device, connection: &Connection) -> Drained {
    let deaf = device.view.lock().deaf_until;
    if let Some(until) = deaf {
        sleep_until(until).await;
    }
    connection.hear().await
}

/// Waits until a moment, for ever if there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
