//! Conversations.

use starling_protocol::{Profile, Seq};

use super::is_older;
use crate::ports::ConversationRecord;

impl ConversationRecord {
    /// See [`Effect::SetProfile`](crate::ports::Effect::SetProfile).
    pub fn set_profile(&mut self, profile: &Profile, seq: Seq) -> bool {
        let changes = is_older(self.updated, seq);
        if changes {
            let profile = profile.clone();
            (self.name, self.description) = (profile.name, profile.description);
            (self.avatar_url, self.open) = (profile.avatar_url, profile.open);
            self.updated = seq;
        }
        changes
    }
}
