//! A simulated cluster: several engines over one in-process store and coordination, under paused time.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use starling_core::memory::{self, Latency, MemoryCoordination, MemorySink, MemoryStore, NodePorts};
use starling_core::{Drained, Engine, Identity, Outbox, Session, Settings};
use starling_protocol::{
    ClientId, CloseCode, Command, ConversationId, Create, Entry, Error, Event, Kind, Reply, Send, Sent, Seq,
    ServerFrame, Sync, Synced, UserId,
};

pub(crate) struct Cluster {
    pub(crate) store: MemoryStore,
    pub(crate) coordination: MemoryCoordination,
    pub(crate) ports: Vec<NodePorts>,
    pub(crate) nodes: Vec<Arc<Engine>>,
}

pub(crate) fn settings() -> Settings {
    Settings {
        sends: None,
        ..Settings::default()
    }
}

impl Cluster {
    pub(crate) async fn start(count: usize) -> Self {
        Self::start_with(count, settings()).await
    }

    pub(crate) async fn start_with(count: usize, settings: Settings) -> Self {
        let mut cluster = Self::empty();
        for _ in 0..count {
            let ports = memory::node(&cluster.store, &cluster.coordination);
            cluster.start_node(ports, &settings).await;
        }
        cluster
    }

    /// Nodes that tell a system outside of what is stored.
    pub(crate) async fn start_telling(count: usize, settings: Settings, sink: &MemorySink) -> Self {
        let mut cluster = Self::empty();
        for _ in 0..count {
            cluster.start_node_that_tells(&settings, sink).await;
        }
        cluster
    }

    pub(crate) async fn start_node_that_tells(&mut self, settings: &Settings, sink: &MemorySink) {
        let ports = memory::node_that_tells(&self.store, &self.coordination, sink);
        self.start_node(ports, settings).await;
    }

    /// A cluster without nodes.
    pub(crate) fn empty() -> Self {
        let store = MemoryStore::new();
        let coordination = MemoryCoordination::new();
        store.set_latency(Latency::Jitter {
            min: ms(1),
            max: ms(4),
            seed: 7,
        });
        coordination.set_latency(Latency::Jitter {
            min: ms(0),
            max: ms(2),
            seed: 11,
        });
        Self {
            store,
            coordination,
            ports: Vec::new(),
            nodes: Vec::new(),
        }
    }

    async fn start_node(&mut self, ports: NodePorts, settings: &Settings) {
        let settings = Settings {
            node_id: format!("node{}", self.nodes.len() + 1),
            ..settings.clone()
        };
        let engine = Engine::start(ports.ports.clone(), settings).await.unwrap();
        self.nodes.push(engine);
        self.ports.push(ports);
    }

    /// Opens a session on a node and starts its streams.
    pub(crate) async fn connect(&self, node: usize, user: &str) -> Client {
        let client = self.open(node, user).await.unwrap();
        client.sync(BTreeMap::new()).await.unwrap();
        client
    }

    pub(crate) async fn open(&self, node: usize, user: &str) -> Result<Client, Error> {
        Client::open(&self.nodes[node], user).await
    }

    /// A group of these users, the first its creator.
    pub(crate) async fn group(&self, users: &[&str]) -> ConversationId {
        let create = Create::of(Kind::Group, users[1..].iter().map(|name| user(name)).collect());
        match self.nodes[0]
            .execute(&user(users[0]), Command::Create(create))
            .await
            .unwrap()
        {
            Reply::Conversation(summary) => summary.id,
            other => panic!("not a conversation: {other:?}"),
        }
    }

    /// The log, checked for what every log must be (I2, I6, M4).
    pub(crate) fn log(&self, id: &ConversationId) -> Vec<Arc<Entry>> {
        let log = self.store.entries(id);
        let mut keys = std::collections::HashSet::new();
        for (index, entry) in log.iter().enumerate() {
            assert_eq!(entry.seq, index as Seq + 1, "I6: contiguous from 1");
            assert!(
                keys.insert((entry.sender.clone(), entry.client_id.clone())),
                "I2: {entry:?} twice"
            );
            let before = index
                .checked_sub(1)
                .map(|before| log[before].mark())
                .unwrap_or_default();
            assert!(entry.lamport > before.lamport, "lamport grows with seq");
            assert_eq!(
                entry.messages,
                before.messages + u64::from(entry.body.is_message())
            );
        }
        log
    }
}

/// One connection as its client sees it: every frame that was written to it, in order.
pub(crate) struct Client {
    pub(crate) session: Arc<Session>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) frames: Arc<Mutex<Vec<ServerFrame>>>,
    next_id: AtomicU64,
}

impl Client {
    pub(crate) async fn open(node: &Arc<Engine>, name: &str) -> Result<Self, Error> {
        Self::open_with(node, name, 1 << 20).await
    }

    pub(crate) async fn open_with(
        node: &Arc<Engine>,
        name: &str,
        outbox_bytes: usize,
    ) -> Result<Self, Error> {
        Self::open_as(node, Identity::of(user(name)), outbox_bytes).await
    }

    pub(crate) async fn open_as(
        node: &Arc<Engine>,
        identity: Identity,
        outbox_bytes: usize,
    ) -> Result<Self, Error> {
        let outbox = Outbox::new(outbox_bytes);
        let session = node.open_session(identity, outbox.clone()).await?;
        let frames = Arc::new(Mutex::new(Vec::new()));
        let (reader, read) = (outbox.clone(), frames.clone());
        let ended = session.clone();
        tokio::spawn(async move {
            while let Drained::Frames(drained) = reader.drain().await {
                read.lock()
                    .extend(drained.iter().map(|frame| frame.frame().clone()));
            }
            ended.close().await;
        });
        Ok(Self {
            session,
            outbox,
            frames,
            next_id: AtomicU64::new(1),
        })
    }

    /// Hands a command over; the id of its reply.
    pub(crate) async fn command(&self, command: Command) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.session.handle(id, command).await;
        id
    }

    pub(crate) fn reply(&self, id: u64) -> Option<Result<Reply, Error>> {
        self.frames.lock().iter().find_map(|frame| match frame {
            ServerFrame::Reply { id: replied, result } if *replied == id => Some(result.clone()),
            _ => None,
        })
    }

    /// Carries out a command.
    pub(crate) async fn call(&self, command: Command) -> Result<Reply, Error> {
        let id = self.command(command).await;
        eventually("a reply", || self.reply(id)).await
    }

    pub(crate) async fn sync(&self, cursors: BTreeMap<ConversationId, Seq>) -> Result<Synced, Error> {
        match self.call(Command::Sync(Sync { cursors })).await? {
            Reply::Synced(synced) => Ok(synced),
            other => panic!("not synced: {other:?}"),
        }
    }

    pub(crate) async fn send(&self, id: &ConversationId, client_id: &str) -> Result<Sent, Error> {
        match self.call(message(id, client_id)).await? {
            Reply::Sent(sent) => Ok(sent),
            other => panic!("not sent: {other:?}"),
        }
    }

    /// The entries that this client was sent, as they came.
    pub(crate) fn entries(&self, id: &ConversationId) -> Vec<Arc<Entry>> {
        let frames = self.frames.lock();
        let entries = frames.iter().filter_map(|frame| match frame {
            ServerFrame::Event(Event::Entry(entry)) if entry.conversation == *id => Some(entry.clone()),
            _ => None,
        });
        entries.collect()
    }

    pub(crate) fn seqs(&self, id: &ConversationId) -> Vec<Seq> {
        self.entries(id).iter().map(|entry| entry.seq).collect()
    }

    /// Waits until this client was sent exactly `first..=last`, in order, each once (I4).
    pub(crate) async fn has(&self, id: &ConversationId, first: Seq, last: Seq) {
        let wanted: Vec<_> = (first..=last).collect();
        eventually(&format!("{} has {first}..={last}", self.session.user()), || {
            let seqs = self.seqs(id);
            assert!(
                wanted.starts_with(&seqs),
                "I4: {} was sent {seqs:?}",
                self.session.user()
            );
            (seqs == wanted).then_some(())
        })
        .await;
    }

    /// The seqs of the streams that were started for this client.
    pub(crate) fn cursor(&self, id: &ConversationId) -> Option<Seq> {
        self.frames.lock().iter().rev().find_map(|frame| match frame {
            ServerFrame::Event(Event::Conversation(state)) if state.conversation.id == *id => {
                Some(state.cursor)
            }
            _ => None,
        })
    }

    pub(crate) fn closed(&self) -> Option<CloseCode> {
        self.outbox.closed()
    }
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) fn message(id: &ConversationId, client_id: &str) -> Command {
    Command::Send(Send::text(
        id.clone(),
        ClientId::new(client_id).unwrap(),
        format!("text of {client_id}"),
    ))
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Waits, in simulated time, for something to become so.
pub(crate) async fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    for _ in 0..60_000 {
        if let Some(value) = check() {
            return value;
        }
        tokio::time::sleep(ms(1)).await;
    }
    panic!("did not come about within a simulated minute: {what}")
}

/// Waits for all of these at once.
pub(crate) async fn all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures::future::join_all(futures).await
}
