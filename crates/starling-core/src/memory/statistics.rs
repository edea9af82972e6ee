//! Counting what the simulated store holds.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use starling_protocol::{Body, ConversationId, Entry, Seq, UserId};

use super::replicas::Data;
use super::store::MemoryStore;
use crate::ports::{DAY_MS, Statistics, Tally, Totals, Unavailable};

#[async_trait]
impl Statistics for MemoryStore {
    async fn totals(&self) -> Result<Totals, Unavailable> {
        self.reading(|data| {
            let mut totals = Totals {
                users: data.tables.users().len() as u64,
                ..Totals::default()
            };
            for head in data.conversations().filter_map(|id| data.head(id)) {
                totals.conversations += u64::from(head.body != Body::Dissolved {});
                totals.messages += head.messages;
            }
            totals
        })
        .await
    }

    async fn tally_newest(&self, entries: usize) -> Result<Tally, Unavailable> {
        self.reading(|data| {
            let mut newest: Vec<_> = data.conversations().flat_map(|id| all(data, id)).collect();
            newest.sort_by_key(|entry| std::cmp::Reverse(entry.at));
            newest.truncate(entries);
            let messages = || newest.iter().filter(|entry| entry.body.is_message());
            let senders: BTreeSet<_> = messages().map(|entry| &entry.sender).collect();
            Tally {
                senders: senders.len() as u64,
                days: days(messages().map(|entry| entry.at)),
            }
        })
        .await
    }

    async fn sent_by(
        &self,
        user: &UserId,
        conversations: &[ConversationId],
        entries: usize,
    ) -> Result<Vec<(i64, u64)>, Unavailable> {
        self.reading(|data| {
            let own = conversations.iter().flat_map(|id| all(data, id));
            let own = own
                .filter(|entry| entry.sender.as_ref() == Some(user))
                .take(entries);
            days(own.filter(|entry| entry.body.is_message()).map(|entry| entry.at))
        })
        .await
    }
}

fn all(data: &Data, id: &ConversationId) -> impl Iterator<Item = std::sync::Arc<Entry>> {
    data.between(id, 0, Seq::MAX).collect::<Vec<_>>().into_iter()
}

fn days(times: impl Iterator<Item = i64>) -> Vec<(i64, u64)> {
    let mut days = BTreeMap::<i64, u64>::new();
    for at in times {
        *days.entry(at.div_euclid(DAY_MS) * DAY_MS).or_default() += 1;
    }
    days.into_iter().rev().collect()
}
