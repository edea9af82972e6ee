//! Where in a log messages are, by their numbers.
//!
//! No index holds the numbers: it would be written with every message, and it cost a quarter of what an insert costs
//! the server. There are never fewer messages up to an entry than up to the one before it, so a number is searched
//! for: one query looks at many places, and where entries are mostly messages, it is the only one.

use bson::{Document, doc};
use futures::{TryStreamExt, future};
use serde::Deserialize;
use starling_protocol::{ConversationId, Seq};

use crate::Mongo;
use crate::call::CallError;
use crate::entry_log::{bound, by_seq};

/// Places that one query looks at.
const PLACES: u64 = 64;
/// The largest number that is stored.
const LAST: u64 = i64::MAX as u64;

/// How many messages there are up to an entry.
#[derive(Debug, Deserialize)]
struct Place {
    seq: Seq,
    messages: u64,
}

/// Between two places: fewer messages than the number up to the first, enough up to the second, if there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    below: Seq,
    above: Seq,
}

impl Gap {
    /// Where the message of a number may be: not before the place of the same number.
    fn of(number: u64) -> Self {
        Self {
            below: number - 1,
            above: LAST,
        }
    }

    fn is_closed(self) -> bool {
        self.above - self.below <= 1
    }

    /// Places that make it narrower: at first close ones, since most entries are messages.
    fn places(self) -> Vec<Seq> {
        let width = self.above - self.below;
        if self.above == LAST {
            let steps = (0..63).map(|power| self.below.saturating_add(1 << power));
            return steps.filter(|&place| place < self.above).collect();
        }
        let parts = width.min(PLACES + 1);
        // In this order nothing overflows: the rest is shared out among the first parts.
        let (step, rest) = (width / parts, width % parts);
        (1..parts)
            .map(|part| self.below + step * part + rest.min(part))
            .collect()
    }

    /// With what is there: in a log without gaps, what is missing is past its end.
    fn narrowed(self, number: u64, places: &[Seq], found: &[Place]) -> Self {
        let mut gap = self;
        for &place in places {
            let few = found.iter().any(|at| at.seq == place && at.messages < number);
            if few {
                gap.below = gap.below.max(place);
            } else {
                gap.above = gap.above.min(place);
            }
        }
        gap
    }
}

impl Mongo {
    /// A filter for the messages of a log with `after < number <= to`, which is a range of its seqs, too.
    pub(crate) async fn numbered(
        &self,
        conversation: &ConversationId,
        after: u64,
        to: u64,
    ) -> Result<Document, CallError> {
        let first = async {
            match after {
                0 => Ok(1),
                after => self.seq_of(conversation, after + 1).await,
            }
        };
        let (first, last) = future::try_join(first, self.seq_of(conversation, to)).await?;
        Ok(doc! {
            "conversation": conversation.as_str(),
            "seq": { "$gte": bound(first), "$lte": bound(last) },
            "messages": { "$gt": bound(after), "$lte": bound(to) },
            "body.message": { "$exists": true },
        })
    }

    /// The seq of the message of a number; one past the log's end where there are not so many.
    async fn seq_of(&self, conversation: &ConversationId, number: u64) -> Result<Seq, CallError> {
        if number >= LAST {
            return Ok(LAST);
        }
        let places = self.entries.clone_with_type::<Place>();
        let mut gap = Gap::of(number);
        while !gap.is_closed() {
            let asked = gap.places();
            let seqs: Vec<_> = asked.iter().map(|&seq| bound(seq)).collect();
            let cursor = places
                .find(doc! { "conversation": conversation.as_str(), "seq": { "$in": seqs } })
                .projection(doc! { "_id": 0, "seq": 1, "messages": 1 })
                .hint(by_seq())
                .await?;
            let found: Vec<Place> = cursor.try_collect().await?;
            gap = gap.narrowed(number, &asked, &found);
        }
        Ok(gap.above)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A log with, for each entry, whether it is a message.
    fn search(log: &[bool], number: u64) -> (Seq, usize) {
        let mut messages = 0;
        let places: Vec<_> = log
            .iter()
            .zip(1..)
            .map(|(&is_message, seq)| {
                messages += u64::from(is_message);
                (seq, messages)
            })
            .collect();
        let (mut gap, mut queries) = (Gap::of(number), 0);
        while !gap.is_closed() {
            let asked = gap.places();
            let found: Vec<_> = places
                .iter()
                .filter(|(seq, _)| asked.contains(seq))
                .map(|&(seq, messages)| Place { seq, messages })
                .collect();
            gap = gap.narrowed(number, &asked, &found);
            queries += 1;
        }
        (gap.above, queries)
    }

    proptest! {
        #[test]
        fn the_message_of_a_number_is_found(log in prop::collection::vec(any::<bool>(), 1..500), number in 1..400_u64) {
            let all = log.iter().filter(|&&is_message| is_message).count() as u64;
            let (seq, _) = search(&log, number);
            let up_to = |seq: u64| log.iter().take(usize::try_from(seq).unwrap()).filter(|&&message| message).count() as u64;
            if number <= all {
                prop_assert_eq!((up_to(seq - 1), up_to(seq)), (number - 1, number));
            } else {
                prop_assert!(seq > log.len() as u64);
            }
        }
    }

    #[test]
    fn where_entries_are_messages_one_query_finds_them() {
        assert_eq!(search(&[true; 500], 300), (300, 1));
        assert_eq!(search(&[[false, true]; 2_000].concat(), 1_000), (2_000, 3));
    }

    #[test]
    fn places_are_between_the_ends() {
        for (below, above) in [(1, 3), (1, 66), (1, 67), (1, 1_000), (7, LAST), (LAST - 2, LAST)] {
            let gap = Gap { below, above };
            let places = gap.places();
            assert!(!places.is_empty() && places.len() <= 64, "{gap:?}");
            assert!(places.is_sorted_by(|a, b| a < b), "{gap:?}: {places:?}");
            assert!(
                places.iter().all(|&place| below < place && place < above),
                "{gap:?}: {places:?}"
            );
        }
    }
}
