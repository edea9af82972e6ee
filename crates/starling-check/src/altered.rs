//! What became of a log's messages, as their alterations say in order.

use std::collections::BTreeMap;

use starling_protocol::{Body, Entry, MessageState, Seq, UserId};

/// The fold of a log's alterations.
#[derive(Default)]
pub(crate) struct Altered<'a> {
    /// By message.
    states: BTreeMap<Seq, State<'a>>,
    /// Which message an entry edits.
    edits: BTreeMap<Seq, Seq>,
}

/// What became of one message.
#[derive(Default)]
struct State<'a> {
    changed: Seq,
    edit: Option<(&'a str, i64)>,
    deleted: Option<(&'a UserId, i64)>,
    reactions: BTreeMap<(&'a str, &'a UserId), bool>,
}

impl<'a> Altered<'a> {
    /// Takes the next entry.
    pub(crate) fn apply(&mut self, entry: &'a Entry) {
        let (Some(target), Some(sender)) = (entry.body.target(), &entry.sender) else {
            return;
        };
        let state = self.states.entry(target).or_default();
        state.changed = entry.seq;
        match &entry.body {
            Body::Edited { text, .. } => {
                state.edit = Some((text, entry.at));
                self.edits.insert(entry.seq, target);
            }
            Body::Deleted { .. } => {
                state.deleted.get_or_insert((sender, entry.at));
            }
            Body::Reacted { emoji, removed, .. } => {
                state.reactions.insert((emoji, sender), !removed);
            }
            _ => {}
        }
    }

    /// What readers are to be told of the message at `seq`; `None`: nothing became of it.
    pub(crate) fn state(&self, seq: Seq) -> Option<MessageState> {
        let state = self.states.get(&seq)?;
        // A deletion is for ever, whatever comes after it.
        let edit = state.edit.filter(|_| state.deleted.is_none());
        let mut reactions = BTreeMap::<_, Vec<_>>::new();
        for ((emoji, user), there) in &state.reactions {
            if *there {
                let users = reactions.entry((*emoji).to_owned()).or_default();
                users.push((*user).clone());
            }
        }
        Some(MessageState {
            changed: state.changed,
            text: edit.map(|(text, _)| text.to_owned()),
            edited_at: edit.map(|(_, at)| at),
            deleted_at: state.deleted.map(|(_, at)| at),
            deleted_by: state.deleted.map(|(by, _)| by.clone()),
            reactions,
            alterations: 0,
        })
    }

    /// Whether the entry at `seq` is a message that is deleted, or edits one: its text is to be gone.
    pub(crate) fn is_deleted(&self, seq: Seq) -> bool {
        let message = self.edits.get(&seq).unwrap_or(&seq);
        let state = self.states.get(message);
        state.is_some_and(|state| state.deleted.is_some())
    }
}
