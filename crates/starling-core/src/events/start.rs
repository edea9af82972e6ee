//! Where telling begins in a conversation of which nothing was told yet.

use starling_protocol::{Entry, Seq};
use tokio::sync::OnceCell;

use super::Outlet;
use crate::ports::{EventCursor, Unavailable};
use crate::shared::Shared;
use crate::time::unix_millis;

/// What a sink that is switched on is told of a store that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventsFrom {
    /// What is stored from then on.
    #[default]
    Now,
    /// All that there is.
    Beginning,
}

/// Entries carry the clocks of the nodes that made them: so far apart those may be without an entry being passed over.
const CLOCKS_APART_MS: i64 = 60_000;
/// Entries of one read.
const PAGE: usize = 100;

/// The time from which on a sink is told what is stored.
#[derive(Default)]
pub(super) struct Start(OnceCell<i64>);

impl Outlet {
    /// That time, in milliseconds since the Unix epoch: decided once, by whichever node is the first with this sink.
    pub(super) async fn since(&self, shared: &Shared) -> Result<i64, Unavailable> {
        let decide = async || {
            let wanted = match shared.settings.events_from {
                EventsFrom::Now => unix_millis() - CLOCKS_APART_MS,
                EventsFrom::Beginning => 0,
            };
            self.ports.cursors.told_since(self.name(), wanted).await
        };
        self.start.0.get_or_try_init(decide).await.copied()
    }

    /// Whether the head of a conversation is something that the sink is owed.
    pub(super) fn is_behind(cursor: &EventCursor, head: &Entry, since: i64) -> bool {
        match cursor.told {
            Some(told) => told < head.seq,
            None => cursor.created_at >= since || head.at >= since,
        }
    }

    /// Up to where a conversation is told, or need not be.
    pub(super) async fn told(
        &self,
        shared: &Shared,
        cursor: &EventCursor,
        since: i64,
    ) -> Result<Seq, Unavailable> {
        if let Some(told) = cursor.told {
            return Ok(told);
        }
        if cursor.created_at >= since {
            return Ok(0);
        }
        let mut before = Seq::MAX;
        loop {
            let log = &shared.ports.log;
            let page = log.read_back(&cursor.conversation, before, PAGE).await?;
            if let Some(older) = page.iter().rev().find(|entry| entry.at < since) {
                return Ok(older.seq);
            }
            match page.first() {
                Some(first) if first.seq > 1 => before = first.seq,
                _ => return Ok(0),
            }
        }
    }
}
