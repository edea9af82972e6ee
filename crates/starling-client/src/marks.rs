//! Delivered marks: coalesced, and only for what the application has taken.

use std::collections::HashMap;
use std::time::Duration;

use starling_protocol::{self as protocol, ConversationId, Delivered};
use tokio::time::Instant;

use crate::shared::Shared;

/// One mark per conversation in this time.
const INTERVAL: Duration = Duration::from_secs(1);
/// Marks in one go. The rest waits for the next.
const BATCH: usize = 100;

/// Marks of one client.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    last: Option<Instant>,
    /// By the command's id.
    under_way: HashMap<u64, ConversationId>,
}

impl Marks {
    /// When the next marks may go out.
    pub(crate) fn due(&self, now: Instant) -> Instant {
        self.last.map_or(now, |last| last + INTERVAL)
    }

    /// The marks to send now; the caller tells with [`Self::sent`] under which ids they went.
    pub(crate) fn collect(&mut self, shared: &Shared, now: Instant) -> Vec<Delivered> {
        if now < self.due(now) {
            return Vec::new();
        }
        let marks = shared.taken.lock().take_unmarked(BATCH);
        if !marks.is_empty() {
            self.last = Some(now);
        }
        marks
            .into_iter()
            .map(|(conversation, seq)| Delivered { conversation, seq })
            .collect()
    }

    /// A mark went out.
    pub(crate) fn sent(&mut self, id: u64, conversation: ConversationId) {
        self.under_way.insert(id, conversation);
    }

    /// The answer to a mark came. Returns whether the id was a mark's.
    pub(crate) fn answered(&mut self, id: u64, shared: &Shared, error: Option<&protocol::Error>) -> bool {
        use protocol::ErrorCode::{Internal, RateLimited, Unavailable, Unknown};
        let Some(conversation) = self.under_way.remove(&id) else {
            return false;
        };
        if error.is_some_and(|error| matches!(error.code, Internal | RateLimited | Unavailable | Unknown)) {
            shared.taken.lock().unmark(conversation);
        }
        true
    }

    /// The connection ended: marks without an answer are sent again on the next one.
    pub(crate) fn disconnected(&mut self, shared: &Shared) {
        let mut taken = shared.taken.lock();
        for (_, conversation) in self.under_way.drain() {
            taken.unmark(conversation);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use starling_protocol::{Body, Entry, Seq};

    use super::*;
    use crate::Event;

    fn take(shared: &Shared, name: &str, seq: Seq) {
        shared.note(&Event::Entry(Arc::new(Entry {
            conversation: ConversationId::new(name).unwrap(),
            seq,
            sender: None,
            client_id: None,
            lamport: seq,
            at: 0,
            messages: seq,
            membership: 1,
            body: Body::Void {},
            state: None,
        })));
    }

    #[test]
    fn marks_are_coalesced_and_none_is_lost() {
        let shared = Shared::new(&BTreeMap::new());
        let mut marks = Marks::default();
        let start = Instant::now();
        let collect = |after_ms: u64, marks: &mut Marks| {
            let mut seqs: Vec<_> = marks
                .collect(&shared, start + Duration::from_millis(after_ms))
                .into_iter()
                .map(|mark| (mark.conversation.as_str().to_owned(), mark.seq))
                .collect();
            seqs.sort();
            seqs
        };
        let mark = |name: &str, seq| (name.to_owned(), seq);

        assert_eq!(collect(0, &mut marks), []);
        take(&shared, "c", 1);
        take(&shared, "c", 2);
        take(&shared, "d", 7);
        assert_eq!(collect(0, &mut marks), [mark("c", 2), mark("d", 7)]);
        take(&shared, "c", 3);
        take(&shared, "c", 4);
        assert_eq!(collect(999, &mut marks), [], "one per second");
        assert_eq!(collect(1000, &mut marks), [mark("c", 4)]);

        marks.sent(1, ConversationId::new("c").unwrap());
        marks.disconnected(&shared);
        assert_eq!(
            collect(2000, &mut marks),
            [mark("c", 4)],
            "lost with the connection"
        );

        marks.sent(2, ConversationId::new("c").unwrap());
        let error = protocol::Error::new(protocol::ErrorCode::Unavailable, "x");
        assert!(marks.answered(2, &shared, Some(&error)));
        assert!(!marks.answered(2, &shared, None));
        assert_eq!(collect(3000, &mut marks), [mark("c", 4)], "put off");

        marks.sent(3, ConversationId::new("c").unwrap());
        assert!(marks.answered(3, &shared, None));
        assert_eq!(collect(9000, &mut marks), []);
    }
}
