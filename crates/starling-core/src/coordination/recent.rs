//! The last entries of conversations, as commits keep them.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::Bytes;
use starling_protocol::{ConversationId, Seq};

use super::bounded::Bounded;
use super::node::{LocalNode, Way};
use crate::ports::{Commit, RECENT_AT_MOST, RecentEntries, Unavailable};

/// What the entries of all conversations may take, in bytes.
const BYTES_AT_MOST: usize = 64 << 20;

/// What is kept of all conversations.
#[derive(Clone, Default)]
pub(crate) struct Recents {
    conversations: Bounded<ConversationId, Recent>,
    bytes: usize,
}

/// What is kept of one conversation.
#[derive(Clone, Default)]
struct Recent {
    entries: VecDeque<(Seq, Bytes)>,
    bytes: usize,
}

impl Recents {
    /// Keeps a batch behind what precedes it, or instead of what does not; not one that is there already.
    pub(super) fn commit(&mut self, commit: &Commit) {
        if !commit.entries.is_empty() {
            self.change(&commit.conversation, |recent| recent.commit(commit));
        }
    }

    fn change(&mut self, conversation: &ConversationId, change: impl FnOnce(&mut Recent)) {
        let recent = self.conversations.entry(conversation, Recent::default);
        self.bytes -= recent.bytes;
        change(recent);
        recent.trim();
        self.bytes += recent.bytes;
        while self.bytes > BYTES_AT_MOST
            && let Some((_, oldest)) = self.conversations.remove_oldest()
        {
            self.bytes -= oldest.bytes;
        }
    }
}

impl Recent {
    fn commit(&mut self, commit: &Commit) {
        let (first, last) = (commit.head + 1 - commit.entries.len() as Seq, self.last());
        if commit.takes_back || (last + 1 != first && commit.head > last) {
            self.entries.clear();
        }
        if self.entries.is_empty() || last + 1 == first {
            self.entries.extend((first..).zip(commit.entries.iter().cloned()));
        }
    }

    /// 0 where nothing is kept.
    fn last(&self) -> Seq {
        self.entries.back().map_or(0, |(seq, _)| *seq)
    }

    fn trim(&mut self) {
        let surplus = self.entries.len().saturating_sub(RECENT_AT_MOST);
        self.entries.drain(..surplus);
        self.bytes = self.entries.iter().map(|(_, entry)| entry.len()).sum();
    }
}

#[async_trait]
impl<W: Way> RecentEntries for LocalNode<W> {
    async fn recent(
        &self,
        conversation: &ConversationId,
        limit: usize,
    ) -> Result<Vec<(Seq, Bytes)>, Unavailable> {
        self.call(|state, _| {
            let kept = state.keys.recent.conversations.get(conversation);
            kept.map_or_else(Vec::new, |kept| {
                let from = kept.entries.len().saturating_sub(limit);
                kept.entries.range(from..).cloned().collect()
            })
        })
        .await
    }

    async fn keep_recent(
        &self,
        conversation: &ConversationId,
        entries: &[(Seq, Bytes)],
    ) -> Result<(), Unavailable> {
        self.call(|state, _| {
            state.keys.recent.change(conversation, |recent| {
                if entries.last().is_some_and(|(seq, _)| *seq >= recent.last()) {
                    recent.entries = entries.iter().cloned().collect();
                }
            });
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::Timing;

    #[tokio::test]
    async fn all_conversations_together_are_bounded() {
        let node = LocalNode::alone(Timing::default());
        let entry = Bytes::from(vec![7; BYTES_AT_MOST / 4]);
        let id = |n: usize| ConversationId::new(format!("c{n}")).unwrap();
        let kept = async |n| node.recent(&id(n), 9).await.unwrap().len();
        for n in 0..5 {
            node.keep_recent(&id(n), &[(1, entry.clone())]).await.unwrap();
            assert_eq!(kept(0).await, 1, "it was asked for since");
        }
        assert_eq!(
            [kept(1).await, kept(2).await, kept(3).await, kept(4).await],
            [0, 1, 1, 1]
        );
    }
}
