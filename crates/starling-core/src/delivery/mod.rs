//! Delivers entries to the sessions of this node: in order, none skipped, none twice (I4, I8).
//!
//! What arrives, by whatever way (this node's own batches, the bus, a read of the log), goes through
//! [`Delivery::offer`]; a gap is filled from the log before anything later goes out.

mod hub;
mod told;

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use starling_protocol::{ConversationId, Entry, HeadMark, ReceiptsChange, Seq, TypingChange};
use tokio::time::{Instant, sleep};

pub(crate) use hub::{Attach, Hub, ends};

use crate::chance::{HashMap, Hashing};
use crate::ports::Unavailable;
use crate::sequencer::{PAGE, newcomers};
use crate::session::{self, Session};
use crate::shared::Shared;
use crate::time::jittered;
use crate::{defect, planted};

const SHARDS: usize = 64;
/// A hub without sessions is kept this long.
const IDLE: Duration = Duration::from_secs(60);
/// A hub that has delivered within this time has its head compared at every round.
const ACTIVE: Duration = Duration::from_secs(60);
/// Heads of one comparison.
const CHUNK: usize = 200;
/// Past every seq; stores keep seqs as signed 64-bit integers.
const END: Seq = i64::MAX as Seq;

type SharedHub = Arc<Mutex<Hub>>;

/// The hubs of this node.
pub(crate) struct Delivery {
    shards: Vec<Mutex<HashMap<ConversationId, SharedHub>>>,
    hasher: Hashing,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: Hashing::default(),
        }
    }
}

impl Delivery {
    fn shard(&self, id: &ConversationId) -> &Mutex<HashMap<ConversationId, SharedHub>> {
        &self.shards[(self.hasher.hash_one(id) % SHARDS as u64) as usize]
    }

    fn hub(&self, id: &ConversationId) -> Option<SharedHub> {
        self.shard(id).lock().get(id).cloned()
    }

    /// All conversations with a hub.
    pub(crate) fn conversations(&self) -> Vec<ConversationId> {
        self.shards
            .iter()
            .flat_map(|shard| shard.lock().keys().cloned().collect::<Vec<_>>())
            .collect()
    }

    pub(crate) fn has_sessions(&self, id: &ConversationId) -> bool {
        self.hub(id).is_some_and(|hub| hub.lock().has_sessions())
    }

    /// Where a conversation's stream stands on this node.
    pub(crate) fn mark(&self, id: &ConversationId) -> Option<HeadMark> {
        self.hub(id).and_then(|hub| hub.lock().mark())
    }

    /// The entries after `seq`, contiguous, if this node holds them; otherwise none.
    pub(crate) fn recent_after(&self, id: &ConversationId, seq: Seq) -> Vec<Arc<Entry>> {
        self.hub(id)
            .map(|hub| hub.lock().recent_after(seq))
            .unwrap_or_default()
    }

    /// Takes entries of one conversation in, contiguous and stored at majority, from wherever they come.
    pub(crate) fn offer(&self, shared: &Arc<Shared>, entries: &[Arc<Entry>]) {
        let Some(first) = entries.first() else { return };
        if let Some(hub) = self.hub(&first.conversation) {
            let gap = hub.lock().offer(entries);
            if gap {
                self.fill(shared, &first.conversation, &hub);
            }
        }
        shared.typists.delivered(shared, entries);
        for entry in entries {
            for user in newcomers(entry) {
                for session in shared.sessions.of(&user) {
                    session::welcome(shared, &session, &entry.conversation, entry.seq);
                }
            }
        }
    }

    /// Opens the streams of conversations: puts this node on their routes first, then reads their heads.
    pub(crate) async fn open(&self, shared: &Arc<Shared>, ids: &[ConversationId]) -> Result<(), Unavailable> {
        let mut closed = Vec::new();
        for id in ids {
            let hub = self
                .shard(id)
                .lock()
                .entry(id.clone())
                .or_insert_with(|| Arc::new(Mutex::new(Hub::new())))
                .clone();
            let mut locked = hub.lock();
            locked.active = Instant::now();
            if locked.mark().is_none() {
                drop(locked);
                closed.push((id.clone(), hub));
            }
        }
        for chunk in closed.chunks(CHUNK) {
            let ids: Vec<_> = chunk.iter().map(|(id, _)| id.clone()).collect();
            if shared
                .ports
                .bus
                .join_routes(&ids, &shared.incarnation())
                .await
                .is_err()
            {
                // Entries come by comparing heads until coordination is back and all is registered anew.
                shared.registration.lost();
            }
            let heads: HashMap<_, _> = shared
                .ports
                .log
                .heads(&ids)
                .await?
                .into_iter()
                .map(|head| (head.conversation.clone(), head.mark()))
                .collect();
            for (id, hub) in chunk {
                let gap = {
                    let mut hub = hub.lock();
                    hub.open(heads.get(id).copied().unwrap_or_default());
                    hub.offer(&[])
                };
                if gap {
                    self.fill(shared, id, hub);
                }
            }
        }
        Ok(())
    }

    /// A session is about to be told of a conversation whose hub is open; see [`Hub::expect`].
    pub(crate) fn expect(&self, id: &ConversationId, session: &Arc<Session>) {
        if let Some(hub) = self.hub(id) {
            hub.lock().expect(session);
        }
    }

    /// Makes a session live at `position`; see [`Attach`].
    pub(crate) fn attach(&self, id: &ConversationId, session: &Arc<Session>, position: Seq) -> Attach {
        match self.hub(id) {
            Some(hub) => hub.lock().attach(session, position),
            None => Attach::Closed,
        }
    }

    pub(crate) fn detach(&self, id: &ConversationId, session: &Session) {
        if let Some(hub) = self.hub(id) {
            hub.lock().detach(session);
        }
    }

    /// Tells the sessions that follow a conversation which marks have moved in it.
    pub(crate) fn tell_receipts(&self, change: ReceiptsChange) {
        if let Some(hub) = self.hub(&change.conversation) {
            hub.lock().tell_receipts(change);
        }
    }

    /// Tells the sessions that follow a conversation, but not the typist's own, that someone types.
    pub(crate) fn tell_typing(&self, change: TypingChange) {
        if let Some(hub) = self.hub(&change.conversation) {
            hub.lock().tell_typing(change);
        }
    }

    /// The sessions that follow a conversation on this node; none where there are more than `limit`.
    pub(crate) fn followers(&self, id: &ConversationId, limit: usize) -> Vec<Arc<Session>> {
        self.hub(id)
            .map(|hub| hub.lock().followers(limit))
            .unwrap_or_default()
    }

    /// The log reaches at least `seq`.
    pub(crate) fn heard_head(&self, shared: &Arc<Shared>, id: &ConversationId, seq: Seq) {
        let Some(hub) = self.hub(id) else { return };
        let behind = hub.lock().mark().is_some_and(|mark| mark.seq < seq);
        if behind {
            self.fill(shared, id, &hub);
            // What did not come may not have been sent: this node's place on the route may be lost.
            let (shared, id) = (shared.clone(), id.clone());
            tokio::spawn(async move {
                let ids = std::slice::from_ref(&id);
                let _ = shared.ports.bus.join_routes(ids, &shared.incarnation()).await;
            });
        }
    }

    /// Reads what is missing from the log, once at a time per hub.
    fn fill(&self, shared: &Arc<Shared>, id: &ConversationId, hub: &SharedHub) {
        {
            let mut hub = hub.lock();
            if std::mem::replace(&mut hub.filling, true) {
                return;
            }
        }
        metrics::counter!("starling_gap_fills_total").increment(1);
        let (shared, id, hub) = (shared.clone(), id.clone(), hub.clone());
        tokio::spawn(async move {
            let mut pause = Duration::from_millis(10);
            loop {
                let Some(mark) = hub.lock().mark() else {
                    hub.lock().filling = false;
                    break;
                };
                match shared.ports.log.read(&id, mark.seq, END, PAGE).await {
                    Ok(page) => {
                        shared.delivery.offer(&shared, &page);
                        let mut hub = hub.lock();
                        if page.len() < PAGE {
                            hub.filling = false;
                            break;
                        }
                    }
                    Err(_) => {
                        sleep(jittered(pause)).await;
                        pause = (pause * 2).min(Duration::from_secs(1));
                    }
                }
            }
        });
    }

    /// Compares the heads of hubs that were active lately.
    pub(crate) async fn compare_active(&self, shared: &Arc<Shared>) {
        self.compare(shared, |hub| hub.active.elapsed() < ACTIVE || hub.filling)
            .await;
    }

    /// Compares the heads of all hubs, soon.
    pub(crate) fn compare_all(&self, shared: &Arc<Shared>) {
        let shared = shared.clone();
        tokio::spawn(async move { shared.delivery.compare(&shared, |_| true).await });
    }

    async fn compare(&self, shared: &Arc<Shared>, which: impl Fn(&Hub) -> bool) {
        if planted(defect::NO_RESYNC) {
            return;
        }
        let ids: Vec<_> = self
            .shards
            .iter()
            .flat_map(|shard| {
                let shard = shard.lock();
                let chosen = shard.iter().filter(|(_, hub)| {
                    let hub = hub.lock();
                    hub.has_sessions() && which(&hub)
                });
                chosen.map(|(id, _)| id.clone()).collect::<Vec<_>>()
            })
            .collect();
        for chunk in ids.chunks(CHUNK) {
            match shared.ports.log.heads(chunk).await {
                Ok(heads) => {
                    for head in heads {
                        self.heard_head(shared, &head.conversation, head.seq);
                    }
                }
                Err(unavailable) => {
                    tracing::debug!(%unavailable, "heads not compared");
                    return;
                }
            }
        }
    }

    /// Drops hubs that nobody listens to, and takes this node off their routes.
    pub(crate) async fn forget_idle(&self, shared: &Arc<Shared>) {
        let mut forgotten = Vec::new();
        for shard in &self.shards {
            shard.lock().retain(|id, hub| {
                let hub = hub.lock();
                let idle = !hub.has_sessions() && !hub.filling && hub.active.elapsed() > IDLE;
                if idle {
                    forgotten.push(id.clone());
                }
                !idle
            });
        }
        let own = [shared.incarnation()];
        for id in forgotten {
            if shared.ports.bus.leave_route(&id, &own).await.is_err() {
                return;
            }
            if self.hub(&id).is_some() {
                // Someone came back meanwhile, and may have entered the route before it was left.
                let _ = shared
                    .ports
                    .bus
                    .join_routes(std::slice::from_ref(&id), &own[0])
                    .await;
            }
        }
    }
}
