//! Bans and mutes, invites.

use serde::{Deserialize, Serialize};
use starling_protocol::{ConversationId, Seq, UserId};

use super::is_older;
use crate::ports::{InviteRecord, Sanction, SanctionRecord};

/// A user's bans and mutes in a conversation, each with the seq of the entry that last set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sanctions {
    /// Whether he is banned.
    pub banned: (Seq, bool),
    /// Until when he is muted.
    pub muted: (Seq, Option<i64>),
}

impl Sanctions {
    /// See [`Effect::Sanction`](crate::ports::Effect::Sanction).
    pub fn apply(&mut self, sanction: Sanction, seq: Seq) -> bool {
        match sanction {
            Sanction::Ban(banned) if is_older(self.banned.0, seq) => self.banned = (seq, banned),
            Sanction::Mute(until) if is_older(self.muted.0, seq) => self.muted = (seq, until),
            _ => return false,
        }
        true
    }

    /// As the directory tells it.
    pub fn record(&self, conversation: &ConversationId, user: &UserId) -> SanctionRecord {
        SanctionRecord {
            conversation: conversation.clone(),
            user: user.clone(),
            banned: self.banned.1,
            muted_until: self.muted.1,
            changed: self.banned.0.max(self.muted.0),
        }
    }
}

/// An invite, be it over or not. Nothing of it needs a guard: it is made once, its uses only grow, and it is revoked
/// for ever, so changes have the same result in whatever order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// As the directory tells it, while it is open.
    pub record: InviteRecord,
    /// It is over.
    pub revoked: bool,
}

impl Invite {
    /// See [`Effect::UseInvite`](crate::ports::Effect::UseInvite).
    pub fn count(&mut self, uses: u32, seq: Seq) {
        self.record.uses = self.record.uses.max(uses);
        self.record.changed = self.record.changed.max(seq);
    }

    /// See [`Effect::RevokeInvite`](crate::ports::Effect::RevokeInvite).
    pub fn revoke(&mut self, seq: Seq) {
        self.revoked = true;
        self.record.changed = self.record.changed.max(seq);
    }

    /// Neither revoked nor used up.
    pub fn is_open(&self) -> bool {
        !self.revoked && self.record.max_uses.is_none_or(|max| self.record.uses < max)
    }
}
