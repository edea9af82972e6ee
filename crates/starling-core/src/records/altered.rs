//! What became of a message: the guarded alterations, and what readers of the log see of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_protocol::{MessageState, Seq, UserId};

use crate::ports::Alteration;
use crate::{defect, planted};

/// The alterations of one message, each with the seq of the entry that made it. That is the guard: what is newer stays,
/// so the order in which they are carried out does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Altered {
    changed: Seq,
    /// The last edit, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edit: Option<Edit>,
    /// All entries that edit it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    edits: Vec<Seq>,
    /// The first deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted: Option<Deletion>,
    /// The last reaction of each user with each emoji. One that was taken back stays, as a guard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<Reaction>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Edit {
    seq: Seq,
    at: i64,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Deletion {
    seq: Seq,
    at: i64,
    by: UserId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reaction {
    emoji: String,
    user: UserId,
    seq: Seq,
    removed: bool,
}

/// One alteration, as [`Effect::AlterMessage`](crate::ports::Effect::AlterMessage) tells of it.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// By which entry.
    pub seq: Seq,
    /// Who made that entry.
    pub by: &'a UserId,
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
    /// What of the message changes.
    pub alteration: &'a Alteration,
}

impl Altered {
    /// Carries out an alteration.
    pub fn alter(&mut self, change: &Change<'_>) {
        self.changed = self.changed.max(change.seq);
        match change.alteration {
            Alteration::Edit { text } => {
                if !self.edits.contains(&change.seq) {
                    self.edits.push(change.seq);
                }
                let is_newer = self.edit.as_ref().is_none_or(|edit| edit.seq < change.seq);
                if is_newer || planted(defect::EDITS_UNGUARDED) {
                    self.edit = Some(Edit {
                        seq: change.seq,
                        at: change.at,
                        text: text.clone(),
                    });
                }
            }
            Alteration::Delete => {
                if self
                    .deleted
                    .as_ref()
                    .is_none_or(|deleted| deleted.seq > change.seq)
                {
                    self.deleted = Some(Deletion {
                        seq: change.seq,
                        at: change.at,
                        by: change.by.clone(),
                    });
                }
            }
            Alteration::React { emoji, removed } => self.react(change, emoji, *removed),
        }
        if self.deleted.is_some() {
            // What it said last is gone with it.
            self.edit = None;
        }
    }

    fn react(&mut self, change: &Change<'_>, emoji: &str, removed: bool) {
        let mut known = self.reactions.iter_mut();
        match known.find(|known| known.emoji == emoji && known.user == *change.by) {
            Some(known) if known.seq < change.seq => (known.seq, known.removed) = (change.seq, removed),
            Some(_) => {}
            None => self.reactions.push(Reaction {
                emoji: emoji.to_owned(),
                user: change.by.clone(),
                seq: change.seq,
                removed,
            }),
        }
    }

    /// Which entries lose their text since the message at `target` is deleted; none if it is not.
    pub fn redacted(&self, target: Seq) -> Vec<Seq> {
        match self.deleted {
            Some(_) => [&[target], self.edits.as_slice()].concat(),
            None => Vec::new(),
        }
    }

    /// What a reader sees.
    pub fn state(&self) -> MessageState {
        let mut reactions = BTreeMap::<_, Vec<_>>::new();
        for reaction in self.reactions.iter().filter(|reaction| !reaction.removed) {
            reactions
                .entry(reaction.emoji.clone())
                .or_default()
                .push(reaction.user.clone());
        }
        reactions.values_mut().for_each(|users| users.sort());
        MessageState {
            changed: self.changed,
            text: self.edit.as_ref().map(|edit| edit.text.clone()),
            edited_at: self.edit.as_ref().map(|edit| edit.at),
            deleted_at: self.deleted.as_ref().map(|deleted| deleted.at),
            deleted_by: self.deleted.as_ref().map(|deleted| deleted.by.clone()),
            reactions,
            alterations: self.edits.len() + self.reactions.len(),
        }
    }
}
