//! Finds what pub/sub and crashed nodes have left undone, by comparing heads with the log.
//!
//! Three rounds: the hubs of this node (were all entries delivered here?), a slow rotation over all conversations
//! (is everything that is stored also applied and announced? A crash in a conversation that nobody writes to again
//! shows nowhere else), and one over this node's sessions (are all memberships streamed? That of a new member is
//! told to his node once, and there is no hub yet to compare).

use std::sync::Arc;

use starling_protocol::ConversationId;
use tokio::time::{sleep, timeout};

use crate::chance::HashMap;
use crate::ports::Unavailable;
use crate::session::Session;
use crate::shared::Shared;
use crate::time::jittered;
use crate::{defect, planted};

/// Conversations of one page of the rotation.
const PAGE: usize = 200;
/// Sessions of one round that nothing was lost for.
const SESSIONS: usize = 100;

/// Compares the heads of active hubs until the task is dropped.
pub(crate) async fn compare_hubs(shared: Arc<Shared>) {
    loop {
        sleep(jittered(shared.settings.audit_interval)).await;
        shared.delivery.forget_idle(&shared).await;
        shared.delivery.compare_active(&shared).await;
    }
}

/// Rotates over all conversations until the task is dropped.
pub(crate) async fn rotate(shared: Arc<Shared>) {
    let mut after: Option<ConversationId> = None;
    loop {
        sleep(jittered(shared.settings.rotation_interval)).await;
        match rotate_page(&shared, after.as_ref()).await {
            Ok(last) => after = last,
            Err(unavailable) => tracing::debug!(%unavailable, "rotation paused"),
        }
    }
}

/// Looks at the memberships of this node's sessions until the task is dropped: of a few in every round, of all
/// when something was lost.
pub(crate) async fn look_at_sessions(shared: Arc<Shared>) {
    let (mut turn, mut all) = (0, false);
    loop {
        let pause = jittered(shared.settings.rotation_interval);
        all |= timeout(pause, shared.registration.renewed()).await.is_ok();
        let mut sessions = shared.sessions.all();
        sessions.sort_by(|a, b| a.connection().cmp(b.connection()));
        if !all {
            turn %= sessions.len().div_ceil(SESSIONS).max(1);
            sessions = sessions
                .into_iter()
                .skip(turn * SESSIONS)
                .take(SESSIONS)
                .collect();
            turn += 1;
        }
        match look_at(&sessions).await {
            Ok(()) => all = false,
            Err(unavailable) => tracing::debug!(%unavailable, "memberships not compared"),
        }
    }
}

async fn look_at(sessions: &[Arc<Session>]) -> Result<(), Unavailable> {
    for session in sessions {
        session.look_for_streams().await?;
    }
    Ok(())
}

/// Looks at one page; the id to go on after, `None` at the end.
async fn rotate_page(
    shared: &Arc<Shared>,
    after: Option<&ConversationId>,
) -> Result<Option<ConversationId>, Unavailable> {
    let ports = &shared.ports;
    let page = ports.directory.scan(after, PAGE).await?;
    let last = if page.len() < PAGE {
        None
    } else {
        page.last().map(|(id, _)| id.clone())
    };
    let behind = behind(shared, page).await?;
    if behind.is_empty() || planted(defect::QUIET_NOT_RECOVERED) {
        return Ok(last);
    }
    // Marks are written every few seconds: only what stays behind was left behind.
    sleep(3 * shared.settings.liveness_interval).await;
    let ids: Vec<_> = behind.keys().cloned().collect();
    for record in ports.directory.conversations(&ids).await? {
        if behind.get(&record.id).is_some_and(|head| record.applied < *head) {
            tracing::info!(conversation = %record.id, applied = record.applied, "recovering what was left behind");
            metrics::counter!("starling_rotation_recoveries_total").increment(1);
            shared.sequencer.recover(shared, &record.id);
        }
    }
    Ok(last)
}

async fn behind(
    shared: &Arc<Shared>,
    page: Vec<(ConversationId, u64)>,
) -> Result<HashMap<ConversationId, u64>, Unavailable> {
    let ids: Vec<_> = page.iter().map(|(id, _)| id.clone()).collect();
    let applied: HashMap<_, _> = page.into_iter().collect();
    let heads = shared.ports.log.heads(&ids).await?;
    Ok(heads
        .into_iter()
        .filter(|head| {
            applied
                .get(&head.conversation)
                .is_some_and(|applied| *applied < head.seq)
        })
        .map(|head| (head.conversation.clone(), head.seq))
        .collect())
}
