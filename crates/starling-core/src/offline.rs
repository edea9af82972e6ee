//! Keeps the offline index: which members were not connected anywhere when something was appended.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use starling_protocol::{ConversationId, Seq, UserId};

use crate::chance::HashMap;
use crate::connections;
use crate::shared::Shared;

/// Conversations with more members skip the index: no work per offline member (their stored cursors suffice).
const MAX_MEMBERS: usize = 1_000;
/// Conversations that wait to be indexed; more are skipped and counted.
const MAX_WAITING: usize = 20_000;

/// What this node has appended since the index was last brought up to date.
#[derive(Default)]
pub(crate) struct OfflineIndexer(Mutex<HashMap<ConversationId, Appended>>);

struct Appended {
    first: Seq,
    members: Vec<UserId>,
}

impl OfflineIndexer {
    /// Something was appended at `first`. Cheap: once per conversation and round the members are copied.
    pub(crate) fn appended<M>(
        &self,
        conversation: &ConversationId,
        first: Seq,
        members: &HashMap<UserId, M>,
    ) {
        if members.len() > MAX_MEMBERS {
            return;
        }
        let mut waiting = self.0.lock();
        if waiting.contains_key(conversation) {
            return;
        }
        if waiting.len() >= MAX_WAITING {
            metrics::counter!("starling_offline_index_skipped_total").increment(1);
            return;
        }
        waiting.insert(
            conversation.clone(),
            Appended {
                first,
                members: members.keys().cloned().collect(),
            },
        );
    }

    /// Brings the index up to date.
    pub(crate) async fn flush(&self, shared: &Arc<Shared>) {
        let waiting: Vec<_> = std::mem::take(&mut *self.0.lock())
            .into_iter()
            .map(|(conversation, mut appended)| {
                appended
                    .members
                    .retain(|user| !shared.sessions.is_connected(user));
                (conversation, appended)
            })
            .collect();
        let elsewhere: BTreeSet<_> = waiting
            .iter()
            .flat_map(|(_, appended)| &appended.members)
            .cloned()
            .collect();
        // Best effort: the member's stored cursor decides, the index only points.
        let Ok(connected) = connections::of(shared, elsewhere).await else {
            return;
        };
        for (conversation, appended) in waiting {
            let mut offline = appended.members;
            offline.retain(|user| !connected.contains_key(user));
            if !offline.is_empty() {
                let _ = shared
                    .ports
                    .offline
                    .enqueue(&conversation, appended.first, &offline)
                    .await;
            }
        }
    }
}
