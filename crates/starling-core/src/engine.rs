//! The engine of one node, as its entrances (WebSocket, REST, Socket.IO) see it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use starling_protocol::{
    AskStats, CloseCode, ClusterStats, Command, ConversationId, ConversationStats, ConversationSummary,
    Error, ErrorCode, Kind, Member, MessagesPage, MessagesWanted, Reply, UserId,
};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::marks::Urgency;
use crate::node_message::NodeMessage;
use crate::people::{self, People};
use crate::ports::{BusEvent, Incarnation, Ports, SignInId, Unavailable};
use crate::registration::Registration;
use crate::session::{self, Session, execute, open_room};
use crate::shared::Shared;
use crate::{Identity, Outbox, Settings, attempts, audit, presence, receipts, standing, typing};

/// Marks that others wait to see are written once in a round of receipts; the offline index, and marks that
/// nobody waits for, with every so many rounds: once a second.
const ROUNDS_PER_FLUSH: u32 = 4;
/// `applied` marks are of use only after a crash, and each is a write: they come with every so many flushes.
const FLUSHES_PER_APPLIED: u32 = 3;
/// Messages of other nodes that wait to be taken in; beyond it they are dropped, and heads compared.
const HEARD: usize = 8_192;
/// A probe that takes longer has failed.
const PROBE: Duration = Duration::from_secs(2);
/// How long a draining node waits for its sessions to be gone once they are told to go.
const FAREWELL: Duration = Duration::from_secs(5);

/// One node's engine. Dropping it stops its background work; [`Engine::drain`] ends it in order.
pub struct Engine {
    shared: Arc<Shared>,
    heard_echo: watch::Receiver<u64>,
    echoes: AtomicU64,
    tasks: Vec<AbortHandle>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("node", &self.shared.settings.node_id)
            .finish_non_exhaustive()
    }
}

/// What the probes found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The node is going away.
    pub draining: bool,
    /// A majority of the store answers; otherwise what it said.
    pub store: Result<(), String>,
    /// Coordination answers; otherwise what it said.
    pub coordination: Result<(), String>,
    /// The node hears what is published to it; a deaf node must not serve.
    pub echo: Result<(), String>,
}

impl Health {
    /// Whether a balancer may send users here.
    pub fn ready(&self) -> bool {
        !self.draining && self.store.is_ok() && self.coordination.is_ok() && self.echo.is_ok()
    }
}

impl Engine {
    /// Starts a node's engine: listens on its channel, registers it, starts its background work.
    ///
    /// # Errors
    /// [`Unavailable`] if coordination or the store cannot be reached. (Later failures are lived through.)
    pub async fn start(ports: Ports, settings: Settings) -> Result<Arc<Self>, Unavailable> {
        let incarnation = Incarnation::fresh();
        let (heard, events) = mpsc::channel(HEARD);
        ports.bus.listen(&incarnation, heard.clone()).await?;
        // Before anyone is connected: whose presence changes from then on is told here.
        ports.presence.enter(&incarnation, &[]).await?;
        let shared = Arc::new(Shared::new(ports, settings, incarnation));
        people::follow_once(&shared).await?;
        let (echo, heard_echo) = watch::channel(0);
        let mut tasks = vec![
            tokio::spawn(hear(shared.clone(), events, echo)).abort_handle(),
            tokio::spawn(Registration::run(shared.clone(), heard)).abort_handle(),
            tokio::spawn(audit::compare_hubs(shared.clone())).abort_handle(),
            tokio::spawn(audit::rotate(shared.clone())).abort_handle(),
            tokio::spawn(audit::look_at_sessions(shared.clone())).abort_handle(),
            tokio::spawn(flush(shared.clone())).abort_handle(),
            tokio::spawn(receipts::tell(shared.clone())).abort_handle(),
            tokio::spawn(attempts::make(shared.clone())).abort_handle(),
            tokio::spawn(typing::expire(shared.clone())).abort_handle(),
            tokio::spawn(presence::follow(shared.clone())).abort_handle(),
            tokio::spawn(presence::bury(shared.clone())).abort_handle(),
            tokio::spawn(people::follow(shared.clone())).abort_handle(),
        ];
        tasks.extend(shared.events.start(&shared));
        Ok(Arc::new(Self {
            shared,
            heard_echo,
            echoes: AtomicU64::new(1),
            tasks,
        }))
    }

    /// The node's name.
    pub fn node_id(&self) -> &str {
        &self.shared.settings.node_id
    }

    /// Signing in, profiles, contacts.
    pub fn people(&self) -> People {
        People::new(self.shared.clone())
    }

    /// Opens a session for an authenticated user, within the cluster-wide limit of connections. What the
    /// session is told goes into `outbox`, which is closed with [`CloseCode::SignedOut`] once the sign-in that the
    /// identity names is over, at once if it is.
    ///
    /// # Errors
    /// `too_many_connections`; `unavailable` on a draining node, or if the store cannot be reached.
    pub async fn open_session(
        self: &Arc<Self>,
        identity: Identity,
        outbox: Arc<Outbox>,
    ) -> Result<Arc<Session>, Error> {
        Session::open(&self.shared, identity, outbox).await
    }

    /// Carries out one command without a session, and waits for its outcome. If the future is dropped the
    /// command may still be carried out.
    ///
    /// # Errors
    /// What the protocol documents; `invalid` for commands that need a session (`auth`, `sync`); `unavailable` on
    /// a draining node.
    pub async fn execute(&self, user: &UserId, command: Command) -> Result<Reply, Error> {
        if self.shared.is_draining() {
            return Err(Error::new(
                ErrorCode::Unavailable,
                "the node is going away: ask another one",
            ));
        }
        execute(&self.shared, user, None, command).await
    }

    /// Makes a room: an open conversation under an id that people have agreed upon, with the user as its first
    /// member. What there is already stays as it is; the user then joins it as any other.
    ///
    /// # Errors
    /// `unknown_conversation` for ids of the form that Starling itself gives; `unavailable`, `unknown`.
    pub async fn open_room(&self, user: &UserId, id: ConversationId, kind: Kind) -> Result<(), Error> {
        if self.shared.is_draining() {
            return Err(Error::new(
                ErrorCode::Unavailable,
                "the node is going away: ask another one",
            ));
        }
        open_room(&self.shared, user, id, kind).await
    }

    /// A conversation as one of its members sees it.
    ///
    /// # Errors
    /// `unknown_conversation`, `not_a_member`, `unavailable`.
    pub async fn summary(&self, user: &UserId, id: &ConversationId) -> Result<ConversationSummary, Error> {
        let ports = &self.shared.ports;
        let seen = standing::look(ports, id, user).await?;
        standing::summary_of(ports, seen).await
    }

    /// A conversation and its members, as one of them sees it.
    ///
    /// # Errors
    /// `unknown_conversation`, `not_a_member`, `unavailable`.
    pub async fn conversation(
        &self,
        user: &UserId,
        id: &ConversationId,
    ) -> Result<(ConversationSummary, Vec<Member>), Error> {
        let summary = self.summary(user, id).await?;
        Ok((summary, standing::members(&self.shared.ports, id).await?))
    }

    /// A page of a conversation's messages, counted from the newest, as far as the user may see them.
    ///
    /// # Errors
    /// `invalid`, `unknown_conversation`, `not_a_member`, `unavailable`.
    pub async fn messages(
        &self,
        user: &UserId,
        id: &ConversationId,
        wanted: &MessagesWanted,
    ) -> Result<MessagesPage, Error> {
        session::messages(&self.shared, user, id, wanted).await
    }

    /// What all conversations hold. For administrators: whoever calls this has made sure of that.
    ///
    /// # Errors
    /// `invalid`; `unavailable`, also where counting takes too long.
    pub async fn cluster_stats(&self, days: Option<u32>) -> Result<ClusterStats, Error> {
        session::cluster_stats(&self.shared, days).await
    }

    /// What was said in any conversation. For administrators, likewise.
    ///
    /// # Errors
    /// `invalid`, `unknown_conversation`, `conversation_deleted`, `unavailable`.
    pub async fn conversation_stats(
        &self,
        admin: &UserId,
        id: ConversationId,
        days: Option<u32>,
    ) -> Result<ConversationStats, Error> {
        session::conversation_stats(&self.shared, admin, id, days).await
    }

    /// The same of an open conversation, for whoever asks: an entrance that an operator has opened to the public says
    /// no more than anyone would learn who joined.
    ///
    /// # Errors
    /// `forbidden` where the conversation is not open; `invalid`, `unknown_conversation`, `unavailable`.
    pub async fn open_messages(
        &self,
        id: &ConversationId,
        wanted: &MessagesWanted,
    ) -> Result<MessagesPage, Error> {
        session::open_messages(&self.shared, id, wanted).await
    }

    /// What was said in an open conversation, in numbers, for whoever asks.
    ///
    /// # Errors
    /// As [`Engine::open_messages`].
    pub async fn open_stats(&self, ask: AskStats) -> Result<ConversationStats, Error> {
        session::open_stats(&self.shared, ask).await
    }

    /// The id of the one direct conversation of two people, whether there is one yet or not.
    pub fn direct_conversation(&self, a: &UserId, b: &UserId) -> ConversationId {
        standing::direct_id(a, b)
    }

    /// Makes the user on first sight. Best effort: nothing depends on it.
    pub async fn saw_user(&self, user: &UserId, name: Option<&str>) {
        self.shared.users.saw(&self.shared, user, name).await;
    }

    /// Probes what the node depends on, each within two seconds.
    pub async fn health(&self) -> Health {
        let ports = &self.shared.ports;
        let probe = async |probed: Result<Result<(), Unavailable>, _>| match probed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(unavailable)) => Err(unavailable.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        let (store, coordination, echo) = tokio::join!(
            timeout(PROBE, ports.directory.ping()),
            timeout(PROBE, ports.bus.ping()),
            timeout(PROBE, self.hear_own_echo()),
        );
        Health {
            draining: self.shared.is_draining(),
            store: probe(store).await,
            coordination: probe(coordination).await,
            echo: probe(echo).await,
        }
    }

    async fn hear_own_echo(&self) -> Result<(), Unavailable> {
        let echo = self.echoes.fetch_add(1, Ordering::Relaxed);
        let mut heard = self.heard_echo.clone();
        let own = [self.shared.incarnation()];
        self.shared
            .ports
            .bus
            .publish(&own, NodeMessage::Echo(echo).encode())
            .await?;
        heard
            .wait_for(|heard| *heard >= echo)
            .await
            .map(drop)
            .map_err(|_| Unavailable::new("bus", "the engine has ended"))
    }

    /// Takes no new sessions and no new commands from now on; those under way go on.
    pub fn start_draining(&self) {
        self.shared.start_draining();
    }

    /// Ends the node in order: lets what is in flight finish and be answered, tells sessions to reconnect
    /// elsewhere, gives back what the node holds. The caller bounds it with its grace time; cancelled, what is
    /// not given back expires.
    pub async fn drain(&self) {
        self.start_draining();
        let shared = &self.shared;
        shared.sequencer.quiesce().await;
        for session in shared.sessions.all() {
            session.outbox().close(CloseCode::GoingAway);
        }
        let _ = timeout(FAREWELL, shared.sessions.until_none()).await;
        for session in shared.sessions.all() {
            session.close().await;
        }
        shared.offline.flush(shared).await;
        shared.marks.flush_applied(shared).await;
        shared.receipts.announce(shared).await;
        shared.events.hand_over().await;
        if let Err(unavailable) = shared.ports.bus.retire(&shared.incarnation()).await {
            tracing::debug!(%unavailable, "liveness left to expire");
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Takes in what other nodes say.
async fn hear(shared: Arc<Shared>, mut events: mpsc::Receiver<BusEvent>, echo: watch::Sender<u64>) {
    while let Some(event) = events.recv().await {
        match event {
            BusEvent::Missed { reason } => {
                tracing::info!(reason, "messages of other nodes may have been missed");
                shared.registration.lost();
                shared.delivery.compare_all(&shared);
            }
            BusEvent::Message(bytes) => match NodeMessage::decode(&bytes) {
                Some(NodeMessage::Entries(entries)) => shared.delivery.offer(&shared, &entries),
                Some(NodeMessage::Head(id, seq, changes)) => {
                    shared.delivery.offer(&shared, &changes);
                    shared.delivery.heard_head(&shared, &id, seq);
                }
                Some(NodeMessage::Undelivered(logs)) => {
                    logs.iter().for_each(|log| attempts::heard(&shared, log));
                }
                Some(NodeMessage::Receipts(changes)) => {
                    let heard = |change| shared.receipts.heard(&shared, change);
                    changes.into_iter().for_each(heard);
                }
                Some(NodeMessage::Typing(change)) => shared.typists.heard(&shared, change),
                Some(NodeMessage::Presence(news)) => shared.presences.heard(&shared, news),
                Some(NodeMessage::Hidden(user, hidden)) => shared.sessions.tell_hidden(&user, &hidden),
                Some(NodeMessage::SignedOut(ids)) => {
                    let ids = ids.iter().map(|id| SignInId::from_wire(id));
                    shared.people.ended.note(ids);
                }
                Some(NodeMessage::Barred(id)) => shared.people.barred.forget(&id),
                Some(NodeMessage::Granted(id)) => shared.sequencer.granted(&id),
                Some(NodeMessage::Echo(number)) => {
                    echo.send_if_modified(|heard| {
                        let newer = number > *heard;
                        *heard = number.max(*heard);
                        newer
                    });
                }
                None => {
                    metrics::counter!("starling_node_messages_unreadable_total").increment(1);
                    tracing::warn!(bytes = bytes.len(), "unreadable message on this node's channel");
                }
            },
        }
    }
}

/// Writes lazy marks and the offline index, and announces receipts.
async fn flush(shared: Arc<Shared>) {
    loop {
        for _ in 0..FLUSHES_PER_APPLIED {
            for _ in 1..ROUNDS_PER_FLUSH {
                sleep(receipts::ROUND).await;
                shared.marks.flush_members(&shared, Urgency::Soon).await;
                shared.receipts.announce(&shared).await;
            }
            sleep(receipts::ROUND).await;
            shared.offline.flush(&shared).await;
            shared.marks.flush_members(&shared, Urgency::Late).await;
            shared.receipts.announce(&shared).await;
        }
        shared.marks.flush_applied(&shared).await;
    }
}
