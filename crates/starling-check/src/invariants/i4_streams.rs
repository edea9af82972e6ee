//! I4: each stream is contiguous, in order, and without doubles.
//!
//! A stream belongs to one connection and one conversation. It starts with a `conversation` event, whose cursor
//! says what comes next, and starts anew with the next such event. The server sends one event at the start of each
//! stream that lasts; a former member who names a cursor in `sync` is sent the entries up to his removal without
//! one, so that a stream may also start right after a cursor that was named, until `synced` says that all have
//! started. What the client said it has is not to be sent again. Pages of history are not part of a stream.

use std::collections::HashMap;

use starling_protocol::Seq;

use crate::facts::Facts;
use crate::finding::{Findings, Line, history};
use crate::history::{Via, What};

/// What is wrong with streams, and how often.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) doubled: u64,
    pub(crate) gaps: u64,
    pub(crate) out_of_order: u64,
}

#[derive(Default)]
struct Stream {
    epoch: u64,
    /// How many `synced` the client has had.
    synced: u64,
    /// The next seq; `None` before the stream starts.
    next: Option<Seq>,
    /// The cursors of those `sync` that are not answered and for which the stream has not started anew yet: a second
    /// one may go out before the first one is answered.
    named: Vec<Seq>,
    /// What the client said it had before this stream.
    had: Seq,
    /// Seqs that were left out.
    missing: Vec<(Seq, Seq)>,
    /// The record after which the next one is looked at: the start, or the last entry.
    last: Option<usize>,
}

enum Fault {
    Gap { expected: Option<Seq> },
    Double,
    OutOfOrder,
}

pub(crate) fn check(facts: &Facts<'_>) -> (Findings, Counts) {
    let mut findings = Findings::default();
    let mut counts = Counts::default();
    let mut streams: HashMap<(&str, &str), Stream> = HashMap::new();
    let mut answers: HashMap<&str, u64> = HashMap::new();
    for (n, record) in facts.in_time() {
        match &record.what {
            What::Sync {
                client,
                epoch,
                cursors,
            } => {
                let synced = answers.get(client.as_ref()).copied().unwrap_or_default();
                for (conversation, cursor) in cursors {
                    let stream = streams.entry((client, conversation.as_str())).or_default();
                    stream.on(*epoch, synced).named.push(*cursor);
                }
            }
            What::Synced { client, .. } => *answers.entry(client).or_default() += 1,
            What::Stream {
                client,
                epoch,
                conversation,
                cursor,
            } => {
                let stream = streams.entry((client, conversation.as_str())).or_default();
                let synced = answers.get(client.as_ref()).copied().unwrap_or_default();
                stream.on(*epoch, synced).start(*cursor, n);
            }
            What::Entry {
                client,
                epoch,
                conversation,
                seq,
                via: Via::Live | Via::Sync,
                ..
            } => {
                let stream = streams.entry((client, conversation.as_str())).or_default();
                let synced = answers.get(client.as_ref()).copied().unwrap_or_default();
                let last = stream.on(*epoch, synced).last;
                let Some(fault) = stream.take(*seq, n) else {
                    continue;
                };
                let what = match fault {
                    Fault::Gap { expected } => {
                        counts.gaps += 1;
                        match expected {
                            Some(expected) => format!("where {expected} was next"),
                            None => "before its stream started".to_owned(),
                        }
                    }
                    Fault::Double => {
                        counts.doubled += 1;
                        "which it had already".to_owned()
                    }
                    Fault::OutOfOrder => {
                        counts.out_of_order += 1;
                        "after later ones".to_owned()
                    }
                };
                findings.add(history([last]).chain([Line::History(n)]), || {
                    format!("connection {epoch} of {client} was given entry {seq} of {conversation} {what}")
                });
            }
            _ => {}
        }
    }
    (findings, counts)
}

impl Stream {
    /// The stream on this connection, after so many answers: a new connection knows nothing of the one before, and
    /// an answer says that what was asked for is done.
    fn on(&mut self, epoch: u64, synced: u64) -> &mut Self {
        if self.epoch != epoch {
            *self = Self {
                epoch,
                synced,
                ..Self::default()
            };
        }
        if self.synced != synced {
            self.synced = synced;
            self.named.clear();
        }
        self
    }

    fn start(&mut self, cursor: Seq, record: usize) {
        match self.named.iter().position(|named| *named == cursor) {
            Some(index) => {
                self.named.drain(..=index);
                self.had = cursor;
            }
            // Not an answer to a `sync`, as at the beginning of a membership; or one that goes back too far.
            None => self.had = self.named.iter().copied().min().unwrap_or_default(),
        }
        self.next = Some(cursor.saturating_add(1));
        self.missing.clear();
        self.last = Some(record);
    }

    fn take(&mut self, seq: Seq, record: usize) -> Option<Fault> {
        if self.next != Some(seq)
            && let Some(named) = self
                .named
                .iter()
                .copied()
                .find(|named| named.checked_add(1) == Some(seq))
        {
            self.start(named, record);
        }
        self.last = Some(record);
        let expected = self.next;
        match expected {
            Some(next) if seq < next => {
                return Some(
                    match self
                        .missing
                        .iter()
                        .position(|(from, to)| (*from..=*to).contains(&seq))
                    {
                        Some(index) => {
                            let (from, to) = self.missing.remove(index);
                            self.missing.extend((from < seq).then(|| (from, seq - 1)));
                            self.missing.extend((seq < to).then(|| (seq + 1, to)));
                            Fault::OutOfOrder
                        }
                        None => Fault::Double,
                    },
                );
            }
            Some(next) if seq > next => self.missing.push((next, seq - 1)),
            _ => {}
        }
        self.next = Some(seq.saturating_add(1));
        if expected != Some(seq) {
            Some(Fault::Gap { expected })
        } else if seq <= self.had {
            Some(Fault::Double)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_a_stream_are_told_apart() {
        let mut stream = Stream::default();
        stream.on(1, 0).start(4, 0);
        let mut seen = String::new();
        for seq in [5, 6, 9, 8, 8, 7, 10, 3] {
            seen.push(match stream.take(seq, 0) {
                None => '.',
                Some(Fault::Gap { .. }) => 'g',
                Some(Fault::Double) => 'd',
                Some(Fault::OutOfOrder) => 'o',
            });
        }
        assert_eq!(seen, "..godo.d");
    }

    #[test]
    fn a_stream_may_start_right_after_the_cursor_that_was_named() {
        let mut stream = Stream::default();
        stream.on(1, 0).named.push(4);
        assert!(stream.take(5, 0).is_none());
        assert!(stream.take(6, 0).is_none());
        assert!(matches!(stream.take(5, 0), Some(Fault::Double)), "once");
        stream.on(1, 0).named.push(4);
        assert!(
            matches!(stream.on(1, 1).take(5, 0), Some(Fault::Double)),
            "not after `synced`"
        );
        assert!(matches!(
            stream.on(2, 0).take(7, 0),
            Some(Fault::Gap { expected: None })
        ));
    }
}
