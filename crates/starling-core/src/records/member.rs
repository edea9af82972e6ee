//! Members.

use starling_protocol::{ConversationId, Role, Seq, UserId};

use super::is_older;
use crate::ports::{MarksRaised, MemberRecord};

impl MemberRecord {
    /// The record of one of whom nothing is known.
    pub fn unknown(conversation: ConversationId, user: UserId) -> Self {
        Self {
            conversation,
            user,
            role: Role::Member,
            changed: 0,
            role_changed: 0,
            left: None,
            delivered: 0,
            read: 0,
            hidden: None,
        }
    }

    /// See [`Effect::SetMember`](crate::ports::Effect::SetMember).
    pub fn begin(&mut self, role: Role, seq: Seq) -> bool {
        let changes = is_older(self.changed, seq);
        if changes {
            self.set_role(role, seq);
            (self.changed, self.left, self.hidden) = (seq, None, None);
            let owed_from = seq.saturating_sub(1);
            self.delivered = self.delivered.max(owed_from);
            self.read = self.read.max(owed_from);
        }
        changes
    }

    /// See [`Effect::EndMember`](crate::ports::Effect::EndMember). A record is made even by the end of a membership:
    /// without the guard that it leaves behind, the older entry that began the membership could still be applied and
    /// bring it back.
    pub fn end(&mut self, seq: Seq) -> bool {
        let changes = is_older(self.changed, seq);
        if changes {
            (self.changed, self.left) = (seq, Some(seq));
        }
        changes
    }

    /// See [`Effect::SetRole`](crate::ports::Effect::SetRole).
    pub fn set_role(&mut self, role: Role, seq: Seq) -> bool {
        let changes = is_older(self.role_changed, seq);
        if changes {
            (self.role, self.role_changed) = (role, seq);
        }
        changes
    }

    /// The conversation is deleted for all. Former members' records, too, keep out what is older.
    pub fn dissolve(&mut self, seq: Seq) -> bool {
        let changes = self.changed < seq;
        if changes {
            self.changed = seq;
            self.left.get_or_insert(seq);
        }
        changes
    }

    /// See [`Directory::raise_marks`](crate::ports::Directory::raise_marks).
    pub fn raise(&mut self, raised: &MarksRaised) -> bool {
        let before = (self.delivered, self.read);
        self.delivered = self.delivered.max(raised.delivered);
        self.read = self.read.max(raised.read);
        before != (self.delivered, self.read)
    }

    /// See [`Directory::hide`](crate::ports::Directory::hide).
    pub fn hide(&mut self, messages: u64) -> bool {
        let hidden = self.hidden.max(Some(messages));
        let changes = self.left.is_none() && hidden != self.hidden;
        if changes {
            self.hidden = hidden;
        }
        changes
    }
}
