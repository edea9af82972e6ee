//! The last entries of conversations, as commits keep them.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::Bytes;
use starling_protocol::{ConversationId, Seq};

use super::coordination::MemoryNode;
use crate::ports::{Commit, RECENT_AT_MOST, RecentEntries, Unavailable};

/// What is kept of one conversation.
#[derive(Clone, Default)]
pub(super) struct Recent(VecDeque<(Seq, Bytes)>);

impl Recent {
    /// Keeps a batch behind what precedes it, or instead of what does not; not one that is there already.
    pub(super) fn commit(&mut self, commit: &Commit) {
        if commit.entries.is_empty() {
            return;
        }
        let (first, last) = (commit.head + 1 - commit.entries.len() as Seq, self.last());
        if commit.takes_back || (last + 1 != first && commit.head > last) {
            self.0.clear();
        }
        if self.0.is_empty() || last + 1 == first {
            self.0.extend((first..).zip(commit.entries.iter().cloned()));
            self.trim();
        }
    }

    /// 0 where nothing is kept.
    fn last(&self) -> Seq {
        self.0.back().map_or(0, |(seq, _)| *seq)
    }

    fn trim(&mut self) {
        let surplus = self.0.len().saturating_sub(RECENT_AT_MOST);
        self.0.drain(..surplus);
    }
}

#[async_trait]
impl RecentEntries for MemoryNode {
    async fn recent(
        &self,
        conversation: &ConversationId,
        limit: usize,
    ) -> Result<Vec<(Seq, Bytes)>, Unavailable> {
        self.call(|state, _| {
            let kept = state.keys.recent.get(conversation).map(|recent| &recent.0);
            kept.map_or_else(Vec::new, |kept| {
                kept.range(kept.len().saturating_sub(limit)..).cloned().collect()
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
            let recent = state.keys.recent.entry(conversation.clone()).or_default();
            if entries.last().is_some_and(|(seq, _)| *seq >= recent.last()) {
                recent.0 = entries.iter().cloned().collect();
                recent.trim();
            }
        })
        .await
    }
}
