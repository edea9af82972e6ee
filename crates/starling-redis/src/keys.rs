//! Names of keys and channels. `docs/redis.md` describes them; whoever adds one describes it there.
//!
//! The braces are hash tags: in a cluster, all keys of a conversation live in one slot, as the scripts need.
//! Conversation ids hold no braces. User ids may hold anything, so a user's keys may hash by less than the
//! whole id, or by nothing of it: each is only ever used alone, so any slot will do. They stay distinct, since
//! prefix and suffix are fixed.

use fred::types::Key;
use starling_core::ports::Incarnation;
use starling_protocol::{ConversationId, UserId};

pub(crate) fn lock(id: &ConversationId) -> Key {
    format!("lock:conversation:{{{id}}}").into()
}

pub(crate) fn seq(id: &ConversationId) -> Key {
    format!("seq:{{{id}}}").into()
}

pub(crate) fn waiters(id: &ConversationId) -> Key {
    format!("waiters:{{{id}}}").into()
}

pub(crate) fn polls(id: &ConversationId) -> Key {
    format!("polls:{{{id}}}").into()
}

pub(crate) fn route(id: &ConversationId) -> Key {
    format!("route:{{{id}}}").into()
}

pub(crate) fn recent(id: &ConversationId) -> Key {
    format!("recent:{{{id}}}").into()
}

pub(crate) fn alive(incarnation: &Incarnation) -> Key {
    format!("alive:{{{incarnation}}}").into()
}

pub(crate) fn user(id: &UserId) -> Key {
    format!("user:{{{id}}}").into()
}

pub(crate) fn queue(id: &UserId) -> Key {
    format!("queue:{{{id}}}").into()
}

pub(crate) fn rate(id: &UserId) -> Key {
    format!("rate:{{{id}}}").into()
}

/// Subjects are made by nodes, and hold no braces.
pub(crate) fn code(subject: &str) -> Key {
    format!("code:{{{subject}}}").into()
}

pub(crate) fn quota(subject: &str) -> Key {
    format!("quota:{{{subject}}}").into()
}

/// Names of sinks are letters.
pub(crate) fn events(sink: &str) -> Key {
    format!("events:{{{sink}}}").into()
}

pub(crate) fn taken(sink: &str) -> Key {
    format!("taken:{{{sink}}}").into()
}

pub(crate) fn away(id: &UserId) -> Key {
    format!("away:{{{id}}}").into()
}

pub(crate) fn users(incarnation: &Incarnation) -> Key {
    format!("users:{{{incarnation}}}").into()
}

pub(crate) fn nodes() -> Key {
    "nodes:{all}".into()
}

/// The channel of a node. `commit.lua` and `announce.lua` build the same name.
pub(crate) fn node(incarnation: &Incarnation) -> String {
    format!("node:{{{incarnation}}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fred::util::redis_keyslot;

    #[test]
    fn the_keys_of_a_conversation_share_a_slot() {
        for id in ["c", "a.b:c_d-e", "0"] {
            let id = ConversationId::new(id).unwrap();
            let slots: Vec<u16> = [
                lock(&id),
                seq(&id),
                waiters(&id),
                polls(&id),
                route(&id),
                recent(&id),
            ]
            .iter()
            .map(|key| redis_keyslot(key.as_bytes()))
            .collect();
            assert!(slots.iter().all(|slot| *slot == slots[0]), "{id}: {slots:?}");
            assert_eq!(lock(&id).as_str().unwrap(), format!("lock:conversation:{{{id}}}"));
        }
    }

    #[test]
    fn users_with_braces_have_keys_of_their_own() {
        let ids = ["a", "{a}", "}a", "a}", "{", "}", "{}"].map(|id| UserId::new(id).unwrap());
        let mut keys: Vec<Key> = ids
            .iter()
            .flat_map(|id| [user(id), queue(id), rate(id), away(id)])
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 4 * ids.len());
    }
}
