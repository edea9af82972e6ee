//! Tells of the users of nodes that died: whoever else lives does it for them.

use std::sync::Arc;

use tokio::time::sleep;

use crate::ports::{Incarnation, SessionRef, Unavailable};
use crate::shared::Shared;
use crate::time::jittered;

/// Users of one step.
const CHUNK: usize = 100;

/// Looks for dead nodes until the task is dropped. Several nodes may find the same one: each tells what is so, and
/// only the first telling is news.
pub(crate) async fn bury(shared: Arc<Shared>) {
    loop {
        sleep(jittered(shared.settings.liveness_interval)).await;
        if let Err(unavailable) = bury_all(&shared).await {
            tracing::debug!(%unavailable, "dead nodes' users not told of yet");
        }
    }
}

async fn bury_all(shared: &Shared) -> Result<(), Unavailable> {
    let nodes = shared.ports.presence.nodes().await?;
    let mut dead: Vec<_> = shared
        .registration
        .dead_among(shared, nodes)
        .await
        .into_iter()
        .collect();
    dead.sort();
    for node in dead {
        bury_one(shared, &node).await?;
    }
    Ok(())
}

async fn bury_one(shared: &Shared, dead: &Incarnation) -> Result<(), Unavailable> {
    let ports = &shared.ports;
    loop {
        let users = ports.presence.users_of(dead, CHUNK).await?;
        if users.is_empty() {
            tracing::info!(incarnation = %dead, "all users of a dead node are told of");
            return ports.presence.forget(dead).await;
        }
        shared.presences.settle(shared, &users).await?;
        // What it has left in the session map would be looked at for ever.
        for (user, sessions) in users.iter().zip(ports.sessions.sessions(&users).await?) {
            let left: Vec<SessionRef> = sessions
                .into_iter()
                .filter(|session| session.incarnation == *dead)
                .collect();
            for session in left {
                ports.sessions.disconnect(user, &session).await?;
                ports.presence.set_away(user, &session.connection, false).await?;
            }
        }
        ports.presence.leave(dead, &users).await?;
    }
}
