//! What two people are to each other.

use serde::{Deserialize, Serialize};
use starling_protocol::{ConversationId, UserId};

use crate::ports::Relation;

/// What two people are to each other: one record for both, so that what is both ways is so at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The two, in the order of their ids.
    pub users: [UserId; 2],
    /// What each of them has done, in the same order.
    pub sides: [Side; 2],
    /// Since when they are contacts, in milliseconds since the Unix epoch, if they are.
    pub since: Option<i64>,
    /// When they were last made none, likewise; 0: never.
    pub removed: i64,
    /// The conversation of the two that who is blocked is barred from. Known from the first block on.
    pub direct: Option<ConversationId>,
}

/// What one of a pair has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Side {
    /// Added the other.
    pub added: bool,
    /// Gave the other's number for it.
    pub by_phone: bool,
    /// Blocks the other.
    pub blocks: bool,
}

impl Pair {
    /// The pair of two of whom nothing is known.
    pub fn unknown(a: &UserId, b: &UserId) -> Self {
        let users = if a <= b { [a, b] } else { [b, a] };
        Self {
            users: users.map(UserId::clone),
            sides: <[Side; 2]>::default(),
            since: None,
            removed: 0,
            direct: None,
        }
    }

    /// Whichever of the two this user is not.
    pub fn other(&self, user: &UserId) -> &UserId {
        &self.users[1 - self.index(user)]
    }

    /// See [`ContactBook::add`](crate::ports::ContactBook::add).
    pub fn add(&mut self, user: &UserId, by_phone: bool, at: i64) {
        if !self.is_blocked() {
            self.since.get_or_insert(at);
            let side = self.side(user);
            side.added = true;
            side.by_phone |= by_phone;
        }
    }

    /// See [`Effect::Meet`](crate::ports::Effect::Meet).
    pub fn meet(&mut self, at: i64) -> bool {
        let changes = self.since.is_none() && self.removed < at && !self.is_blocked();
        if changes {
            self.since = Some(at);
        }
        changes
    }

    /// See [`ContactBook::remove`](crate::ports::ContactBook::remove).
    pub fn remove(&mut self, at: i64) {
        self.since = None;
        self.removed = self.removed.max(at);
        for side in &mut self.sides {
            (side.added, side.by_phone) = (false, false);
        }
    }

    /// See [`ContactBook::block`](crate::ports::ContactBook::block).
    pub fn block(&mut self, user: &UserId, direct: &ConversationId, at: i64) {
        self.remove(at);
        self.side(user).blocks = true;
        self.direct = Some(direct.clone());
    }

    /// See [`ContactBook::unblock`](crate::ports::ContactBook::unblock).
    pub fn unblock(&mut self, user: &UserId) {
        self.side(user).blocks = false;
    }

    /// As `user` sees it.
    pub fn relation(&self, user: &UserId) -> Relation {
        let index = self.index(user);
        let (own, others) = (self.sides[index], self.sides[1 - index]);
        let contact = self.since.is_some();
        Relation {
            contact,
            shows_phone: contact && (own.by_phone || others.added),
            blocks: own.blocks,
            blocked: others.blocks,
        }
    }

    /// Who is barred from the conversation of the two.
    pub fn barred(&self) -> Vec<UserId> {
        let blockers = self.users.iter().zip(&self.sides).filter(|(_, side)| side.blocks);
        blockers.map(|(user, _)| self.other(user).clone()).collect()
    }

    fn is_blocked(&self) -> bool {
        self.sides.iter().any(|side| side.blocks)
    }

    fn side(&mut self, user: &UserId) -> &mut Side {
        &mut self.sides[self.index(user)]
    }

    fn index(&self, user: &UserId) -> usize {
        usize::from(self.users[0] != *user)
    }
}
