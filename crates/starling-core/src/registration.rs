//! This node among the others: its liveness, its places on routes and in session maps, and who else lives.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use starling_protocol::ConversationId;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::chance::{HashMap, HashSet};
use crate::ports::{BusEvent, Incarnation, SessionRef, Unavailable};
use crate::shared::Shared;
use crate::time::jittered;

/// How long an answer about another node's liveness is believed.
const BELIEVED: Duration = Duration::from_secs(2);
/// How often everything is registered anew even though nothing seems lost.
const REFRESH: Duration = Duration::from_secs(60);
/// Conversations of one registration command.
const CHUNK: usize = 500;

/// What is known of nodes' lives.
#[derive(Default)]
pub(crate) struct Registration {
    seen: Mutex<HashMap<Incarnation, Seen>>,
    /// Something of ours was found missing.
    lost: Notify,
    /// All of ours is registered anew.
    renewed: Notify,
    /// Counts the times that this, or the death of a node, was found.
    losses: watch::Sender<u64>,
}

struct Seen {
    alive: bool,
    at: Instant,
}

impl Registration {
    /// Has everything registered anew, soon.
    pub(crate) fn lost(&self) {
        self.lost.notify_one();
    }

    /// Waits until all is registered anew: what was said before may not have reached this node.
    pub(crate) async fn renewed(&self) {
        self.renewed.notified().await;
    }

    /// Changes whenever coordination has lost something of ours, or a node is found dead: what it had in mind is lost.
    pub(crate) fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// Looks at a route that a commit has read: if this node has sessions there and is not on it, coordination
    /// has lost it; if dead nodes are on it they are taken off, and what they may have left is recovered.
    pub(crate) fn check_route(
        &self,
        shared: &Arc<Shared>,
        conversation: &ConversationId,
        route: &[Incarnation],
    ) {
        let own = shared.incarnation();
        if !route.contains(&own) && shared.delivery.has_sessions(conversation) {
            self.lost();
        }
        let now = Instant::now();
        let unsure: Vec<_> = {
            let seen = self.seen.lock();
            route
                .iter()
                .filter(|node| **node != own)
                .filter(|node| {
                    seen.get(*node)
                        .is_none_or(|seen| !seen.alive || now - seen.at > BELIEVED)
                })
                .cloned()
                .collect()
        };
        if unsure.is_empty() {
            return;
        }
        let (shared, conversation) = (shared.clone(), conversation.clone());
        tokio::spawn(async move {
            let dead: Vec<_> = shared
                .registration
                .dead_among(&shared, unsure)
                .await
                .into_iter()
                .collect();
            if !dead.is_empty() {
                metrics::counter!("starling_dead_nodes_removed_total").increment(dead.len() as u64);
                let _ = shared.ports.bus.leave_route(&conversation, &dead).await;
                shared.sequencer.recover(&shared, &conversation);
            }
        });
    }

    /// Which of these incarnations are dead. Those that cannot be asked about count as alive.
    pub(crate) async fn dead_among(
        &self,
        shared: &Shared,
        mut nodes: Vec<Incarnation>,
    ) -> HashSet<Incarnation> {
        let own = shared.incarnation();
        let mut dead = HashSet::default();
        let now = Instant::now();
        {
            let mut seen = self.seen.lock();
            seen.retain(|_, seen| now - seen.at < 10 * BELIEVED);
            nodes.retain(|node| match seen.get(node) {
                _ if *node == own => false,
                // Lapsed ids are never used again.
                Some(Seen { alive: false, .. }) => {
                    dead.insert(node.clone());
                    false
                }
                Some(seen) => now - seen.at > BELIEVED,
                None => true,
            });
        }
        if nodes.is_empty() {
            return dead;
        }
        if let Ok(alive) = shared.ports.bus.alive(&nodes).await {
            let mut seen = self.seen.lock();
            for (node, alive) in nodes.into_iter().zip(alive) {
                seen.insert(node.clone(), Seen { alive, at: now });
                if !alive {
                    dead.insert(node);
                    self.losses.send_modify(|losses| *losses += 1);
                }
            }
        }
        dead
    }

    /// Keeps the node alive and registered until the task is dropped.
    pub(crate) async fn run(shared: Arc<Shared>, heard: mpsc::Sender<BusEvent>) {
        let mut refreshed = Instant::now();
        loop {
            let woken = timeout(
                shared.settings.liveness_interval,
                shared.registration.lost.notified(),
            )
            .await
            .is_ok();
            let incarnation = shared.incarnation();
            match shared.ports.bus.keep_alive(&incarnation).await {
                Ok(true) => {
                    if woken || refreshed.elapsed() > REFRESH {
                        register(&shared).await;
                        refreshed = Instant::now();
                    }
                }
                Ok(false) => {
                    metrics::counter!("starling_liveness_lapsed_total").increment(1);
                    tracing::warn!(%incarnation, "liveness lapsed: registering anew");
                    if rejoin(&shared, &heard).await {
                        refreshed = Instant::now();
                    }
                }
                Err(unavailable) => {
                    tracing::warn!(%unavailable, "liveness not renewed");
                    if woken {
                        shared.registration.lost();
                    }
                }
            }
            if woken {
                // Many conversations may find out at once.
                sleep(jittered(Duration::from_millis(200))).await;
            }
        }
    }
}

/// Takes a new incarnation id, listens on its channel, and only then moves everything to it.
async fn rejoin(shared: &Arc<Shared>, heard: &mpsc::Sender<BusEvent>) -> bool {
    let incarnation = Incarnation::fresh();
    if let Err(unavailable) = shared.ports.bus.listen(&incarnation, heard.clone()).await {
        tracing::warn!(%unavailable, "could not listen under a new incarnation");
        return false;
    }
    shared.set_incarnation(incarnation);
    register(shared).await;
    // Others may have taken this node for dead, and have said so of its users.
    for session in shared.sessions.all() {
        shared.presences.changed(session.user());
    }
    // What was published meanwhile did not reach this node.
    shared.delivery.compare_all(shared);
    true
}

/// Enters all sessions and routes of this node; what fails is tried again.
async fn register(shared: &Arc<Shared>) {
    let incarnation = shared.incarnation();
    if shared.ports.presence.enter(&incarnation, &[]).await.is_err() {
        return shared.registration.lost();
    }
    for chunk in shared.delivery.conversations().chunks(CHUNK) {
        if let Err(unavailable) = shared.ports.bus.join_routes(chunk, &incarnation).await {
            tracing::warn!(%unavailable, "routes not registered");
            return shared.registration.lost();
        }
    }
    for chunk in shared.sessions.all().chunks(CHUNK) {
        let entries = chunk.iter().map(|session| async {
            let entry = SessionRef {
                connection: session.connection().clone(),
                incarnation: incarnation.clone(),
            };
            let ports = &shared.ports;
            ports.sessions.connect(session.user(), &entry, None, &[]).await?;
            if session.is_away() {
                ports
                    .presence
                    .set_away(session.user(), session.connection(), true)
                    .await?;
            }
            Ok::<_, Unavailable>(())
        });
        if futures::future::join_all(entries)
            .await
            .into_iter()
            .any(|entered| entered.is_err())
        {
            tracing::warn!("sessions not registered");
            return shared.registration.lost();
        }
        let users: Vec<_> = chunk.iter().map(|session| session.user().clone()).collect();
        if shared.ports.presence.enter(&incarnation, &users).await.is_err() {
            return shared.registration.lost();
        }
    }
    shared.registration.renewed.notify_one();
    shared.registration.losses.send_modify(|losses| *losses += 1);
}
