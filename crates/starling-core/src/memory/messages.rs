//! What became of messages: the guarded alterations, and what readers of the log see of them.

use std::collections::{BTreeMap, HashMap};

use starling_protocol::{ConversationId, MessageState, Seq, UserId};

use crate::ports::Alteration;
use crate::{defect, planted};

/// The alterations of one message, with the entries that made them.
#[derive(Default)]
struct Altered {
    changed: Seq,
    /// The last edit, if there is one.
    edit: Option<(Seq, i64, String)>,
    /// All entries that edit it.
    edits: Vec<Seq>,
    /// The first deletion.
    deleted: Option<(Seq, i64, UserId)>,
    /// By emoji and user: the last entry, and whether it took the reaction back.
    reactions: BTreeMap<(String, UserId), (Seq, bool)>,
}

/// One alteration, as an effect tells of it.
pub(super) struct Change<'a> {
    pub(super) seq: Seq,
    pub(super) by: &'a UserId,
    pub(super) at: i64,
    pub(super) alteration: &'a Alteration,
}

/// All messages that something became of.
#[derive(Default)]
pub(super) struct Messages(HashMap<(ConversationId, Seq), Altered>);

impl Messages {
    /// Carries out an alteration. Says which entries lose their text by it.
    pub(super) fn alter(
        &mut self,
        conversation: &ConversationId,
        target: Seq,
        change: &Change<'_>,
    ) -> Vec<Seq> {
        let altered = self.0.entry((conversation.clone(), target)).or_default();
        altered.changed = altered.changed.max(change.seq);
        match change.alteration {
            Alteration::Edit { text } => {
                if !altered.edits.contains(&change.seq) {
                    altered.edits.push(change.seq);
                }
                let is_newer = altered.edit.as_ref().is_none_or(|(seq, ..)| *seq < change.seq);
                if is_newer || planted(defect::EDITS_UNGUARDED) {
                    altered.edit = Some((change.seq, change.at, text.clone()));
                }
            }
            Alteration::Delete => {
                if altered.deleted.as_ref().is_none_or(|(seq, ..)| *seq > change.seq) {
                    altered.deleted = Some((change.seq, change.at, change.by.clone()));
                }
            }
            Alteration::React { emoji, removed } => {
                let reaction = altered.reactions.entry((emoji.clone(), change.by.clone()));
                let last = reaction.or_insert((0, true));
                if last.0 < change.seq {
                    *last = (change.seq, *removed);
                }
            }
        }
        if altered.deleted.is_none() {
            return Vec::new();
        }
        altered.edit = None;
        [&[target], altered.edits.as_slice()].concat()
    }

    /// What a reader sees.
    pub(super) fn state(&self, conversation: &ConversationId, target: Seq) -> Option<MessageState> {
        let altered = self.0.get(&(conversation.clone(), target))?;
        let mut reactions = BTreeMap::<_, Vec<_>>::new();
        for ((emoji, user), (_, removed)) in &altered.reactions {
            if !removed {
                reactions.entry(emoji.clone()).or_default().push(user.clone());
            }
        }
        Some(MessageState {
            changed: altered.changed,
            text: altered.edit.as_ref().map(|(_, _, text)| text.clone()),
            edited_at: altered.edit.as_ref().map(|(_, at, _)| *at),
            deleted_at: altered.deleted.as_ref().map(|(_, at, _)| *at),
            deleted_by: altered.deleted.as_ref().map(|(_, _, by)| by.clone()),
            reactions,
            alterations: altered.edits.len() + altered.reactions.len(),
        })
    }
}
