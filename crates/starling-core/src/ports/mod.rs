//! What the engine asks of the world, as narrow traits whose docs are the contract.
//!
//! Architecture invariant: the engine knows no Redis, no MongoDB and no sockets. Two groups of ports stand
//! behind these traits: the *store* ([`EntryLog`], [`Directory`], [`PresenceStore`], [`Statistics`], [`EventCursors`]),
//! which decides, and *coordination* ([`Leases`], [`Bus`], [`RecentEntries`], [`SessionMap`], [`PresenceIndex`],
//! [`OfflineIndex`], [`RateLimiter`], [`EventQueue`]), which only buys speed: all that it
//! holds may vanish, go back in time or be unreachable at any moment, and that costs latency, never a message.
//!
//! All methods are cancel-safe in this sense: a dropped future leaves an effect that either happened whole or
//! not at all, and which of the two is *unknown* to the caller.

mod archive;
mod bus;
mod directory;
mod events;
mod fresh_id;
mod leases;
mod log;
mod people;
mod presence;
mod recent;
mod sessions;
mod statistics;

use std::sync::Arc;

pub use archive::{Archive, Key, Part, Record, SignInArchived, UserRecord};
pub use bus::{Bus, BusEvent, Incarnation};
pub use directory::{
    Alteration, ConversationRecord, Directory, Effect, FOR_EVER, InviteRecord, MEET_AT_MOST, MarksRaised,
    MemberRecord, Sanction, SanctionRecord,
};
pub use events::{
    EventCursor, EventCursors, EventPage, EventPorts, EventQueue, EventSink, PublishError, Published, Taken,
};
pub use leases::{AfterCommit, Commit, Committed, LeaseState, LeaseToken, Leases, Reservation};
pub use log::{DAY_MS, EntryLog, InsertError, MessageRange, RangeEnd, Tally};
pub use people::{
    Accounts, CodeSender, Codes, ContactBook, ContactRecord, Digest, PeoplePorts, Profile, ProfileUpdate,
    Quota, Quotas, Relation, Replacement, Rotation, SignInId, SignInRecord, SignIns, TokenIssuer,
};
pub use presence::{PresenceIndex, PresenceStore, Remembered};
pub use recent::{RECENT_AT_MOST, RecentEntries};
pub use sessions::{
    Admission, ConnectionId, OfflineIndex, RateGrant, RateLimit, RateLimiter, SessionMap, SessionRef,
};
pub use statistics::{Statistics, Totals};

/// The other side cannot be reached, or did not answer in time. Whether a write happened is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service} is unavailable: {reason}")]
pub struct Unavailable {
    /// Which service, for people.
    pub service: &'static str,
    /// What it said, for people.
    pub reason: String,
}

impl Unavailable {
    /// Wraps an adapter's error.
    pub fn new(service: &'static str, reason: impl ToString) -> Self {
        Self {
            service,
            reason: reason.to_string(),
        }
    }
}

/// All ports of one node.
#[derive(Clone)]
pub struct Ports {
    /// The log of entries.
    pub log: Arc<dyn EntryLog>,
    /// Conversations, members and users.
    pub directory: Arc<dyn Directory>,
    /// Leases on conversations, and the publishing that goes with their release.
    pub leases: Arc<dyn Leases>,
    /// Messages between nodes, and who is alive.
    pub bus: Arc<dyn Bus>,
    /// The last entries of conversations.
    pub recent: Arc<dyn RecentEntries>,
    /// Which user is connected where.
    pub sessions: Arc<dyn SessionMap>,
    /// Who is connected to which node, and who is away.
    pub presence: Arc<dyn PresenceIndex>,
    /// What is kept of presence.
    pub presence_store: Arc<dyn PresenceStore>,
    /// What there is, in numbers.
    pub statistics: Arc<dyn Statistics>,
    /// What waits for users who are away.
    pub offline: Arc<dyn OfflineIndex>,
    /// Limits that hold cluster-wide.
    pub rates: Arc<dyn RateLimiter>,
    /// Signing in, profiles, contacts.
    pub people: PeoplePorts,
    /// Systems outside that are told what is stored; `None`: there are none, and nothing is done for any.
    pub events: Option<EventPorts>,
}
