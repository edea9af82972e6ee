//! What became of a message, stored with its entry: the alterations that were made, each with the seq of the entry
//! that made it. The seq is the guard: whoever alters keeps what is newer, so that the order does not matter.

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};
use serde::Deserialize;
use starling_core::ports::Alteration;
use starling_core::{defect, planted};
use starling_protocol::{ConversationId, MessageState, UserId};

/// The sub-document `state` of a message's entry.
#[derive(Debug, Deserialize)]
pub(crate) struct StoredState {
    changed: u64,
    /// The last edit.
    #[serde(default)]
    edit: Option<Edit>,
    /// The entries that edited it.
    #[serde(default)]
    edits: Vec<i64>,
    #[serde(default)]
    deleted: Option<Deleted>,
    #[serde(default)]
    reactions: Vec<Reaction>,
}

#[derive(Debug, Deserialize)]
struct Edit {
    at: i64,
    text: String,
}

#[derive(Debug, Deserialize)]
struct Deleted {
    at: i64,
    by: UserId,
}

/// The last reaction of a user with an emoji; one that was taken back stays, as a guard.
#[derive(Debug, Deserialize)]
struct Reaction {
    emoji: String,
    user: UserId,
    removed: bool,
}

impl From<StoredState> for MessageState {
    fn from(stored: StoredState) -> Self {
        let alterations = stored.edits.len() + stored.reactions.len();
        let mut reactions = BTreeMap::<_, Vec<_>>::new();
        for reaction in stored.reactions.into_iter().filter(|reaction| !reaction.removed) {
            reactions.entry(reaction.emoji).or_default().push(reaction.user);
        }
        reactions.values_mut().for_each(|users| users.sort());
        let (edited_at, text) = match stored.edit.filter(|_| stored.deleted.is_none()) {
            Some(edit) => (Some(edit.at), Some(edit.text)),
            None => (None, None),
        };
        let (deleted_at, deleted_by) = match stored.deleted {
            Some(deleted) => (Some(deleted.at), Some(deleted.by)),
            None => (None, None),
        };
        Self {
            changed: stored.changed,
            text,
            edited_at,
            deleted_at,
            deleted_by,
            reactions,
            alterations,
        }
    }
}

/// One alteration of one message.
pub(crate) struct Altering<'a> {
    pub(crate) conversation: &'a ConversationId,
    pub(crate) target: i64,
    pub(crate) seq: i64,
    pub(crate) by: &'a UserId,
    pub(crate) at: i64,
    pub(crate) alteration: &'a Alteration,
}

impl Altering<'_> {
    /// The statement that carries it out.
    pub(crate) fn statement(&self) -> Document {
        let mut set = doc! { "state.changed": { "$max": ["$state.changed", self.seq] } };
        let mut deleted = doc! {};
        match self.alteration {
            Alteration::Edit { text } => {
                let edit = doc! { "seq": self.seq, "at": self.at, "text": { "$literal": text } };
                let guard = if planted(defect::EDITS_UNGUARDED) {
                    i64::MAX
                } else {
                    self.seq
                };
                let is_newer = doc! { "$lt": [{ "$ifNull": ["$state.edit.seq", 0_i64] }, guard] };
                set.insert("state.edit", doc! { "$cond": [is_newer, edit, "$state.edit"] });
                set.insert("state.edits", union("$state.edits", self.seq));
            }
            Alteration::Delete => {
                let by = doc! { "seq": self.seq, "at": self.at, "by": literal(self.by.as_str()) };
                let is_first = doc! { "$lt": [self.seq, { "$ifNull": ["$state.deleted.seq", i64::MAX] }] };
                set.insert(
                    "state.deleted",
                    doc! { "$cond": [is_first, by, "$state.deleted"] },
                );
                deleted = doc! { "body.message.text": "" };
            }
            Alteration::React { emoji, removed } => {
                let (emoji, user) = (literal(emoji), literal(self.by.as_str()));
                let reactions = doc! { "$ifNull": ["$state.reactions", []] };
                let is_same = doc! { "$and": [
                    { "$eq": ["$$this.emoji", emoji.clone()] }, { "$eq": ["$$this.user", user.clone()] },
                ] };
                let is_newer_same = doc! { "$and": [is_same.clone(), { "$gte": ["$$this.seq", self.seq] }] };
                let newer = doc! { "$filter": { "input": reactions.clone(), "cond": is_newer_same } };
                let others =
                    doc! { "$filter": { "input": reactions.clone(), "cond": { "$not": [is_same] } } };
                let this = doc! { "emoji": emoji, "user": user, "seq": self.seq, "removed": *removed };
                let replaced = doc! { "$concatArrays": [others, [this]] };
                let is_known = doc! { "$gt": [{ "$size": newer }, 0] };
                set.insert(
                    "state.reactions",
                    doc! { "$cond": [is_known, reactions, replaced] },
                );
            }
        }
        let mut pipeline = vec![doc! { "$set": set }];
        if !deleted.is_empty() {
            pipeline.push(doc! { "$set": deleted });
        }
        // What it said last is gone with it.
        let edit = doc! { "$cond": [{ "$gt": ["$state.deleted", Bson::Null] }, "$$REMOVE", "$state.edit"] };
        pipeline.push(doc! { "$set": { "state.edit": edit } });
        doc! {
            "q": { "conversation": self.conversation.as_str(), "seq": self.target },
            "u": pipeline,
            "hint": crate::indexes::CONVERSATION_SEQ,
        }
    }
}

/// The statement that takes the text out of an entry that edits a message.
pub(crate) fn blank(conversation: &str, seq: i64) -> Document {
    doc! {
        "q": { "conversation": conversation, "seq": seq, "body.edited": { "$exists": true } },
        "u": { "$set": { "body.edited.text": "" } },
        "hint": crate::indexes::CONVERSATION_SEQ,
    }
}

/// Where to look for deleted messages among those that were altered.
pub(crate) fn deleted_among(places: &[(&ConversationId, i64)]) -> Document {
    let branches: Vec<_> = places
        .iter()
        .map(|(conversation, seq)| {
            doc! { "conversation": conversation.as_str(), "seq": seq, "state.deleted": { "$exists": true } }
        })
        .collect();
    doc! { "$or": branches }
}

/// Which entries have edited a message.
#[derive(Debug, Deserialize)]
pub(crate) struct Edits {
    pub(crate) conversation: String,
    pub(crate) state: EditsOf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct EditsOf {
    #[serde(default)]
    pub(crate) edits: Vec<i64>,
}

/// The array, with this in it.
fn union(field: &str, seq: i64) -> Document {
    doc! { "$setUnion": [{ "$ifNull": [field, []] }, [seq]] }
}

/// What people type may look like an expression.
fn literal(text: &str) -> Document {
    doc! { "$literal": text }
}
