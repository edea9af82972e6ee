//! What is so: a user's state, of all his connections on all nodes that live.

use starling_protocol::{Presence, PresenceState, UserId};

use crate::chance::HashSet;
use crate::ports::Unavailable;
use crate::shared::Shared;

/// The presences of these users, in the same order. This node's own connections count as it knows them, others as
/// they are entered in the session map.
pub(super) async fn look(shared: &Shared, users: &[UserId]) -> Result<Vec<Presence>, Unavailable> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let ports = &shared.ports;
    let (sessions, away, remembered) = futures::future::try_join3(
        ports.sessions.sessions(users),
        ports.presence.away(users),
        ports.presence_store.remembered(users),
    )
    .await?;
    let own = shared.incarnation();
    let others: HashSet<_> = sessions
        .iter()
        .flatten()
        .map(|session| session.incarnation.clone())
        .filter(|incarnation| *incarnation != own)
        .collect();
    let dead = shared
        .registration
        .dead_among(shared, others.into_iter().collect())
        .await;
    let mut presences = Vec::with_capacity(users.len());
    for (((user, sessions), away), remembered) in users.iter().zip(sessions).zip(away).zip(remembered) {
        let here = shared
            .sessions
            .of(user)
            .into_iter()
            .map(|session| session.is_away());
        let elsewhere = sessions
            .into_iter()
            .filter(|session| session.incarnation != own && !dead.contains(&session.incarnation))
            .map(|session| away.contains(&session.connection));
        let state = state_of(here.chain(elsewhere));
        let offline = state == PresenceState::Offline;
        presences.push(Presence {
            user: user.clone(),
            state,
            text: remembered.text,
            last_seen: remembered.last_seen.filter(|_| offline),
        });
    }
    Ok(presences)
}

/// The state of someone whose connections are away or not.
fn state_of(away: impl Iterator<Item = bool>) -> PresenceState {
    away.map(|away| {
        if away {
            PresenceState::Away
        } else {
            PresenceState::Online
        }
    })
    .reduce(|all, one| if all == one { all } else { PresenceState::Online })
    .unwrap_or(PresenceState::Offline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn away_only_if_all_say_so_and_offline_only_if_there_is_none() {
        for (away, expected) in [
            (&[][..], PresenceState::Offline),
            (&[false], PresenceState::Online),
            (&[true], PresenceState::Away),
            (&[true, true], PresenceState::Away),
            (&[true, false], PresenceState::Online),
            (&[false, true, true], PresenceState::Online),
        ] {
            assert_eq!(state_of(away.iter().copied()), expected, "{away:?}");
        }
    }
}
