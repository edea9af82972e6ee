//! Where users are connected: what the session map says, without nodes that are dead.

use std::collections::BTreeSet;

use starling_protocol::UserId;

use crate::chance::{HashMap, HashSet};
use crate::ports::{Incarnation, Unavailable};
use crate::shared::Shared;

/// Users of one look at the session map.
const CHUNK: usize = 500;

/// The living nodes that each of these users is connected to; who is connected to none is left out.
///
/// # Errors
/// [`Unavailable`] if coordination is.
pub(crate) async fn of(
    shared: &Shared,
    users: BTreeSet<UserId>,
) -> Result<HashMap<UserId, BTreeSet<Incarnation>>, Unavailable> {
    let users: Vec<_> = users.into_iter().collect();
    let mut connected: HashMap<_, BTreeSet<_>> = HashMap::default();
    for users in users.chunks(CHUNK) {
        let sessions = shared.ports.sessions.sessions(users).await?;
        for (user, sessions) in users.iter().zip(sessions) {
            let nodes = sessions.into_iter().map(|session| session.incarnation).collect();
            connected.insert(user.clone(), nodes);
        }
    }
    let nodes: HashSet<_> = connected.values().flatten().cloned().collect();
    let dead = shared
        .registration
        .dead_among(shared, nodes.into_iter().collect())
        .await;
    connected.retain(|_, nodes| {
        nodes.retain(|node| !dead.contains(node));
        !nodes.is_empty()
    });
    Ok(connected)
}
