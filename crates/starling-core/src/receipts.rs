//! Tells members how far others have read: what was written to the directory, on all nodes, coalesced.
//!
//! Constraints: a mark is told only once it is stored, so that it never goes back (I9); a conversation is told of
//! at most once a round, with all that has changed; there is no work at all for conversations with very many
//! members. Word of a mark may be lost between nodes; it is told again with the next one, and can be asked for.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use starling_protocol::{ConversationId, Receipt, ReceiptsChange, Seq, UserId};
use tokio::time::{Instant, sleep};

use crate::chance::{HashMap, HashSet};
use crate::lru_cache::lru_cache;
use crate::node_message::NodeMessage;
use crate::ports::{Incarnation, MemberRecord, Unavailable};
use crate::rosters;
use crate::shared::Shared;

/// Between two events about one conversation.
pub(crate) const ROUND: Duration = Duration::from_millis(250);
/// Before the marks of a conversation are read again, for each of its members: a thousand are read once a second.
const PER_MEMBER: Duration = Duration::from_millis(1);
/// How long a conversation with too many members is believed to be one.
const LARGE_FOR: Duration = Duration::from_secs(60);
const LARGE_REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// Conversations of one message to other nodes.
const CHUNK: usize = 100;

/// Marks that have moved, on their way to the sessions of all nodes.
pub(crate) struct Receipts {
    /// Stored, and not announced yet.
    moved: Mutex<HashMap<ConversationId, HashSet<UserId>>>,
    /// When the next announcement may be made, for those that were made lately.
    paced: Mutex<HashMap<ConversationId, Instant>>,
    /// Announced, by whichever node, and not told to this node's sessions yet.
    heard: Mutex<HashMap<ConversationId, Heard>>,
    large: Mutex<LruCache<ConversationId, Instant>>,
}

#[derive(Default)]
struct Heard {
    delivered: Seq,
    read: Seq,
    members: HashMap<UserId, Receipt>,
}

impl Default for Receipts {
    fn default() -> Self {
        Self {
            moved: Mutex::default(),
            paced: Mutex::default(),
            heard: Mutex::default(),
            large: Mutex::new(lru_cache(LARGE_REMEMBERED)),
        }
    }
}

impl Receipts {
    /// A member's mark in the directory was raised.
    pub(crate) fn moved(&self, conversation: &ConversationId, user: &UserId) {
        if self.is_large(conversation) {
            return;
        }
        let mut moved = self.moved.lock();
        match moved.get_mut(conversation) {
            Some(users) => {
                users.insert(user.clone());
            }
            None => {
                moved.insert(conversation.clone(), HashSet::from_iter([user.clone()]));
            }
        }
    }

    fn is_large(&self, conversation: &ConversationId) -> bool {
        let now = Instant::now();
        self.large
            .lock()
            .get(conversation)
            .is_some_and(|until| *until > now)
    }

    /// Announces what has moved, to this node too. What cannot be read is kept for the next time.
    pub(crate) async fn announce(&self, shared: &Shared) {
        let now = Instant::now();
        let due: HashMap<_, _> = {
            let mut paced = self.paced.lock();
            paced.retain(|_, until| *until > now);
            self.moved
                .lock()
                .extract_if(|conversation, _| !paced.contains_key(conversation))
                .collect()
        };
        if due.is_empty() {
            return;
        }
        // Read after the marks were written: of several nodes that write at once, the last one reads all.
        let mut rosters = match rosters::read(&*shared.ports.directory, due.keys().cloned().collect()).await {
            Ok(rosters) => rosters,
            Err(unavailable) => {
                tracing::debug!(%unavailable, "receipts not announced yet");
                self.moved.lock().extend(due);
                return;
            }
        };
        for large in rosters.large {
            self.large.lock().put(large, Instant::now() + LARGE_FOR);
        }
        let changes: Vec<_> = due
            .into_iter()
            .filter_map(|(conversation, users)| {
                let members = rosters.of.remove(&conversation)?;
                self.change(conversation, &users, &members)
            })
            .collect();
        for change in &changes {
            self.heard(shared, change.clone());
        }
        for changes in changes.chunks(CHUNK) {
            // Best effort: without coordination other nodes' clients hear of it with the next one.
            if tell_nodes(shared, changes).await.is_err() {
                return;
            }
        }
    }

    /// What is to be told of a conversation in which these users' marks have moved.
    fn change(
        &self,
        conversation: ConversationId,
        users: &HashSet<UserId>,
        members: &[MemberRecord],
    ) -> Option<ReceiptsChange> {
        let pace = PER_MEMBER * u32::try_from(members.len()).unwrap_or(u32::MAX);
        if pace > ROUND {
            self.paced
                .lock()
                .insert(conversation.clone(), Instant::now() + pace);
        }
        let marks: Vec<_> = members.iter().map(|member| member.receipt()).collect();
        let least = |of: fn(&Receipt) -> Seq| marks.iter().map(of).min().unwrap_or_default();
        let (delivered, read) = (least(|mark| mark.delivered), least(|mark| mark.read));
        let members: Vec<_> = marks
            .into_iter()
            .filter(|mark| users.contains(&mark.user))
            .collect();
        (!members.is_empty()).then_some(ReceiptsChange {
            conversation,
            delivered,
            read,
            members,
        })
    }

    /// Takes in what a node has announced.
    pub(crate) fn heard(&self, shared: &Shared, change: ReceiptsChange) {
        if !shared.delivery.has_sessions(&change.conversation) {
            return;
        }
        let mut all = self.heard.lock();
        let heard = all.entry(change.conversation).or_default();
        heard.delivered = heard.delivered.max(change.delivered);
        heard.read = heard.read.max(change.read);
        for new in change.members {
            match heard.members.get_mut(&new.user) {
                Some(known) => {
                    known.delivered = known.delivered.max(new.delivered);
                    known.read = known.read.max(new.read);
                }
                None => {
                    heard.members.insert(new.user.clone(), new);
                }
            }
        }
    }

    /// Tells this node's sessions what was heard.
    fn tell(&self, shared: &Shared) {
        let heard = std::mem::take(&mut *self.heard.lock());
        for (conversation, heard) in heard {
            let mut members: Vec<_> = heard.members.into_values().collect();
            members.sort_by(|a, b| a.user.cmp(&b.user));
            shared.delivery.tell_receipts(ReceiptsChange {
                conversation,
                delivered: heard.delivered,
                read: heard.read,
                members,
            });
        }
    }
}

/// Tells the other nodes with sessions in these conversations: each of all that concern it, at once.
async fn tell_nodes(shared: &Shared, changes: &[ReceiptsChange]) -> Result<(), Unavailable> {
    let conversations: Vec<_> = changes.iter().map(|change| change.conversation.clone()).collect();
    let routes = shared.ports.bus.routes(&conversations).await?;
    let own = shared.incarnation();
    let mut by_node: BTreeMap<Incarnation, Vec<ReceiptsChange>> = BTreeMap::new();
    for (change, route) in changes.iter().zip(routes) {
        for node in route.into_iter().filter(|node| *node != own) {
            by_node.entry(node).or_default().push(change.clone());
        }
    }
    for (node, changes) in by_node {
        let payload = NodeMessage::Receipts(changes).encode();
        shared.ports.bus.publish(&[node], payload).await?;
    }
    Ok(())
}

/// Tells this node's sessions of receipts, once a round, until the task is dropped.
pub(crate) async fn tell(shared: Arc<Shared>) {
    loop {
        sleep(ROUND).await;
        shared.receipts.tell(&shared);
    }
}
