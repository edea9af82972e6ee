//! What the parts of one node's engine share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use starling_protocol::UserId;
use tokio::time::Instant;

use crate::Settings;
use crate::attempts::Attempts;
use crate::delivery::Delivery;
use crate::events::Events;
use crate::marks::Marks;
use crate::node_message::NodeMessage;
use crate::offline::OfflineIndexer;
use crate::people::Known;
use crate::ports::{Incarnation, LeaseToken, Ports};
use crate::presence::PresenceDesk;
use crate::rate::SendAllowance;
use crate::receipts::Receipts;
use crate::registration::Registration;
use crate::sequencer::{Sequencer, Writer};
use crate::session::Sessions;
use crate::typing::Typists;
use crate::users::Users;

/// After coordination has failed to answer, batches do without it for this long instead of waiting for its
/// time-outs one after the other.
const COORDINATION_PAUSE: Duration = Duration::from_millis(300);

pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) writer: Writer,
    pub(crate) sequencer: Sequencer,
    pub(crate) delivery: Delivery,
    pub(crate) sessions: Sessions,
    pub(crate) users: Users,
    pub(crate) marks: Marks,
    pub(crate) receipts: Receipts,
    pub(crate) attempts: Attempts,
    pub(crate) typists: Typists,
    pub(crate) presences: PresenceDesk,
    pub(crate) offline: OfflineIndexer,
    pub(crate) allowance: SendAllowance,
    pub(crate) registration: Registration,
    pub(crate) people: Known,
    pub(crate) events: Events,
    incarnation: ArcSwap<Incarnation>,
    claims: AtomicU64,
    draining: AtomicBool,
    coordination_down_until: Mutex<Option<Instant>>,
}

impl Shared {
    pub(crate) fn new(ports: Ports, settings: Settings, incarnation: Incarnation) -> Self {
        Self {
            writer: Writer::start(ports.log.clone(), settings.inserts_in_flight),
            sequencer: Sequencer::default(),
            delivery: Delivery::default(),
            sessions: Sessions::default(),
            users: Users::default(),
            marks: Marks::default(),
            receipts: Receipts::default(),
            attempts: Attempts::default(),
            typists: Typists::default(),
            presences: PresenceDesk::default(),
            offline: OfflineIndexer::default(),
            allowance: SendAllowance::default(),
            registration: Registration::default(),
            people: Known::new(&settings.people),
            events: Events::new(ports.events.as_ref()),
            incarnation: ArcSwap::from_pointee(incarnation),
            claims: AtomicU64::new(1),
            draining: AtomicBool::new(false),
            coordination_down_until: Mutex::new(None),
            ports,
            settings,
        }
    }

    /// The node's present life.
    pub(crate) fn incarnation(&self) -> Incarnation {
        Incarnation::clone(&self.incarnation.load())
    }

    pub(crate) fn set_incarnation(&self, incarnation: Incarnation) {
        self.incarnation.store(Arc::new(incarnation));
    }

    /// A token for a new claim on a lease.
    pub(crate) fn claim(&self) -> LeaseToken {
        LeaseToken {
            incarnation: self.incarnation(),
            claim: self.claims.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Tells the other nodes where a user is connected. Best effort: what it tells they would find out by themselves.
    pub(crate) async fn tell_nodes_of(&self, user: &UserId, message: NodeMessage) {
        let own = self.incarnation();
        let Ok(sessions) = self.ports.sessions.sessions(std::slice::from_ref(user)).await else {
            return;
        };
        let mut nodes: Vec<Incarnation> = sessions
            .into_iter()
            .flatten()
            .map(|session| session.incarnation)
            .filter(|node| *node != own)
            .collect();
        nodes.sort();
        nodes.dedup();
        if !nodes.is_empty()
            && let Err(unavailable) = self.ports.bus.publish(&nodes, message.encode()).await
        {
            tracing::debug!(%unavailable, "other nodes are not told");
        }
    }

    pub(crate) fn coordination_failed(&self) {
        *self.coordination_down_until.lock() = Some(Instant::now() + COORDINATION_PAUSE);
    }

    pub(crate) fn coordination_is_down(&self) -> bool {
        let mut until = self.coordination_down_until.lock();
        if until.is_some_and(|until| until <= Instant::now()) {
            *until = None;
        }
        until.is_some()
    }
}
