//! The rooms that a client has joined on this connection, and how far it has their logs.
//!
//! The core streams all of a user's conversations. A client is told of those that it has joined, from where its history
//! ends; or, in dialects without joining, of all. Entries before that point, and those of a stream that began beyond it, are not for the client: a
//! room *flows* once a stream has begun that continues what it has.

use std::collections::BTreeMap;

use starling_protocol::{ConversationId, Seq};

use crate::recovery::Cursors;

#[derive(Debug)]
pub(crate) struct Rooms {
    follows: Follows,
    /// Whether streams were begun at all.
    begun: bool,
    joined: BTreeMap<ConversationId, Room>,
    /// Whether the client is to be told its offset.
    moved: bool,
}

/// Of which conversations a client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// Of those that it has joined on this connection.
    Joined,
    /// Of all that its user is a member of.
    All,
}

#[derive(Debug)]
struct Room {
    /// The client has everything up to here.
    cursor: Seq,
    flows: bool,
}

/// What to do about an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The client is told of it.
    Tell,
    /// It is not for the client.
    Skip,
    /// Something between it and the cursor is missing (I8).
    Gap,
}

impl Rooms {
    pub(crate) fn new(follows: Follows) -> Self {
        Self {
            follows,
            begun: false,
            joined: BTreeMap::new(),
            moved: false,
        }
    }

    /// The client has history up to `cursor`; what follows it is to come.
    pub(crate) fn join(&mut self, id: ConversationId, cursor: Seq) {
        self.joined.insert(id, Room { cursor, flows: false });
        self.moved = true;
    }

    pub(crate) fn leave(&mut self, id: &ConversationId) {
        self.moved |= self.joined.remove(id).is_some();
    }

    pub(crate) fn contains(&self, id: &ConversationId) -> bool {
        self.joined.contains_key(id)
    }

    /// A stream begins after `cursor`.
    pub(crate) fn begins(&mut self, id: &ConversationId, cursor: Seq) {
        if let Some(room) = self.joined.get_mut(id) {
            room.flows = cursor <= room.cursor;
        } else if self.follows == Follows::All {
            let room = Room { cursor, flows: true };
            self.joined.insert(id.clone(), room);
            self.moved = true;
        }
    }

    /// An entry has come; if it is for the client, it counts as told.
    pub(crate) fn take(&mut self, id: &ConversationId, seq: Seq) -> Verdict {
        let Some(room) = self.joined.get_mut(id) else {
            return Verdict::Skip;
        };
        if !room.flows || seq <= room.cursor {
            return Verdict::Skip;
        }
        if seq != room.cursor + 1 {
            return Verdict::Gap;
        }
        room.cursor = seq;
        self.moved = true;
        Verdict::Tell
    }

    /// Where streams of rooms that do not flow yet must begin.
    pub(crate) fn dry(&self) -> Cursors {
        let dry = self.joined.iter().filter(|(_, room)| !room.flows);
        dry.map(|(id, room)| (id.clone(), room.cursor)).collect()
    }

    /// Where streams are to begin, if any are.
    pub(crate) fn to_begin(&self) -> Option<Cursors> {
        let dry = self.dry();
        let all = self.follows == Follows::All && !self.begun;
        (all || !dry.is_empty()).then_some(dry)
    }

    /// They have.
    pub(crate) fn has_begun(&mut self) {
        self.begun = true;
    }

    /// The ids, in order.
    pub(crate) fn ids(&self) -> Vec<ConversationId> {
        self.joined.keys().cloned().collect()
    }

    /// How far the client has everything.
    pub(crate) fn cursors(&self) -> Cursors {
        self.joined
            .iter()
            .map(|(id, room)| (id.clone(), room.cursor))
            .collect()
    }

    /// The same, if that has changed since it was asked for last.
    pub(crate) fn moved(&mut self) -> Option<Cursors> {
        std::mem::take(&mut self.moved).then(|| self.cursors())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_flows_from_where_its_history_ends() {
        let id = ConversationId::new("room").unwrap();
        let mut rooms = Rooms::new(Follows::Joined);
        assert_eq!(rooms.take(&id, 1), Verdict::Skip);
        rooms.join(id.clone(), 3);
        // Of a stream that is beyond the history: what lies between would be missing.
        rooms.begins(&id, 5);
        assert_eq!(rooms.take(&id, 6), Verdict::Skip);
        assert_eq!(rooms.dry(), [(id.clone(), 3)].into());
        rooms.begins(&id, 2);
        assert_eq!(rooms.take(&id, 3), Verdict::Skip);
        assert_eq!(rooms.take(&id, 4), Verdict::Tell);
        // The same again, from a stream that was begun anew.
        rooms.begins(&id, 3);
        assert_eq!(rooms.take(&id, 4), Verdict::Skip);
        assert_eq!(rooms.take(&id, 5), Verdict::Tell);
        assert_eq!(rooms.take(&id, 7), Verdict::Gap);
        assert_eq!(rooms.moved(), Some([(id.clone(), 5)].into()));
        assert_eq!(rooms.moved(), None);
        rooms.leave(&id);
        assert_eq!(rooms.moved(), Some(Cursors::new()));
    }

    #[test]
    fn who_follows_all_need_not_join() {
        let id = ConversationId::new("room").unwrap();
        let mut rooms = Rooms::new(Follows::All);
        assert_eq!(rooms.to_begin(), Some(Cursors::new()));
        rooms.begins(&id, 5);
        rooms.has_begun();
        assert_eq!(rooms.to_begin(), None);
        assert_eq!(rooms.take(&id, 6), Verdict::Tell);
        assert_eq!(rooms.take(&id, 8), Verdict::Gap);
        rooms.leave(&id);
        assert_eq!(rooms.take(&id, 7), Verdict::Skip);
        // Added again.
        rooms.begins(&id, 9);
        assert_eq!(rooms.take(&id, 10), Verdict::Tell);
    }
}
