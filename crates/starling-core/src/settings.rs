//! The engine's settings, with the defaults that the operations guide documents.

use std::time::Duration;

use crate::events::EventsFrom;
use crate::people::PeopleSettings;
use crate::ports::RateLimit;

/// What an operator may change about the engine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node's name, for people.
    pub node_id: String,
    /// Sends of one user, cluster-wide; `None` is no limit.
    pub sends: Option<RateLimit>,
    /// Connections of one user, cluster-wide; `None` is no limit.
    pub connections_per_user: Option<usize>,
    /// How long a send is tried before its outcome is called unknown.
    pub send_deadline: Duration,
    /// How long a batch keeps a lease for itself while others wait.
    pub lease_share: Duration,
    /// How long an idle conversation keeps its actor.
    pub actor_idle: Duration,
    /// Inserts of the node that are under way at the same time.
    pub inserts_in_flight: usize,
    /// How often heads of active conversations are compared with the log's.
    pub audit_interval: Duration,
    /// How often a node renews its liveness.
    pub liveness_interval: Duration,
    /// How long someone is typing who does not say so again.
    pub typing_expiry: Duration,
    /// How long a user whose last connection has ended still counts as there.
    pub presence_grace: Duration,
    /// How long the rotation over all conversations pauses between its pages.
    pub rotation_interval: Duration,
    /// What systems outside are told of a store that is older than they are.
    pub events_from: EventsFrom,
    /// Signing in.
    pub people: PeopleSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node_id: "node".into(),
            sends: Some(RateLimit {
                per_second: 20,
                burst: 100,
            }),
            connections_per_user: Some(5),
            send_deadline: Duration::from_secs(15),
            lease_share: Duration::from_millis(200),
            actor_idle: Duration::from_secs(30),
            inserts_in_flight: 4,
            audit_interval: Duration::from_secs(3),
            liveness_interval: Duration::from_secs(3),
            typing_expiry: Duration::from_secs(30),
            presence_grace: Duration::from_secs(2),
            rotation_interval: Duration::from_secs(10),
            events_from: EventsFrom::default(),
            people: PeopleSettings::default(),
        }
    }
}
