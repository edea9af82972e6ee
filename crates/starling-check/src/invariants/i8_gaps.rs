//! I8: no reader is led past a gap that it cannot explain.
//!
//! A *reader* is a client in a conversation, over all its connections. Its *base* is where it was started first; what
//! it has is every entry that came to it in whatever way, pages of history included. It *stands* at the last seq up to
//! which it has everything after its base. Then:
//!
//! 1. The cursor that a client names in `sync` is not beyond where it stands.
//! 2. The first stream after a `sync` that names the conversation starts no further than the named cursor.
//! 3. Any other starts, for a client that never had it, where the server says (what waits for the user, or the head).
//!    For a client that has it, it starts no further than where it stands, except
//!    - after the client's place if the user was no member there, having left or been removed,
//!    - at the first start on a connection whose `sync` left it out: the client asked for what is new only.
//! 4. Whatever was named, a stream may start with the entry that makes the user a member.
//! 5. No stream starts beyond the log's end.
//!
//! What a start passes over counts as had from then on: where it is allowed, the client may fill it with `history`, and
//! need not; where it is not, it is held against the server once.
//!
//! That entries follow one another after a stream's start is I4.

use std::collections::HashMap;

use starling_protocol::Seq;

use crate::facts::Facts;
use crate::finding::{Findings, Line, history};
use crate::history::What;
use crate::logs::Log;
use crate::ranges::Ranges;

/// All readers, by client and conversation.
pub(crate) struct Readers<'a>(HashMap<(&'a str, &'a str), Reader>);

/// See the module.
#[derive(Default)]
pub(crate) struct Reader {
    base: Option<Seq>,
    had: Ranges,
    /// The connection that what follows is about.
    epoch: u64,
    /// The cursor that was last named on it, and in which record.
    named: Option<(usize, Seq)>,
    /// Whether a stream has started on it since then.
    started: bool,
    /// The record that brought it to where it stands.
    last: Option<usize>,
}

impl<'a> Readers<'a> {
    pub(crate) fn get(&self, client: &'a str, conversation: &'a str) -> Option<&Reader> {
        self.0
            .get(&(client, conversation))
            .filter(|reader| reader.base.is_some())
    }
}

impl Reader {
    /// Up to where it has everything since its base.
    pub(crate) fn reach(&self) -> Seq {
        self.had.reach(self.base.unwrap_or_default())
    }

    /// The first seq that it does not have.
    fn lacks(&self) -> Seq {
        self.reach().saturating_add(1)
    }

    fn on(&mut self, epoch: u64) -> &mut Self {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.named = None;
            self.started = false;
        }
        self
    }

    fn begin(&mut self, base: Seq) {
        self.base = Some(self.base.map_or(base, |known| known.min(base)));
    }
}

/// The findings, and what every client has.
pub(crate) fn check<'a>(facts: &Facts<'a>) -> (Findings, Readers<'a>) {
    let mut findings = Findings::default();
    let mut readers: HashMap<(&str, &str), Reader> = HashMap::new();
    // The last connection of each client on which it has sent a `sync`.
    let mut syncs: HashMap<&str, u64> = HashMap::new();
    for (n, record) in facts.in_time() {
        match &record.what {
            What::Sync {
                client,
                epoch,
                cursors,
            } => {
                syncs.insert(client, *epoch);
                for (conversation, cursor) in cursors {
                    let reader = readers.entry((client, conversation.as_str())).or_default();
                    let reader = reader.on(*epoch);
                    if reader.base.is_some() && *cursor > reader.reach() {
                        findings.add(history([reader.last, Some(n)]), || {
                            format!(
                                "{client} says that it has {conversation} up to {cursor}, but it was never given {}",
                                reader.lacks()
                            )
                        });
                    }
                    reader.begin(*cursor);
                    reader.named = Some((n, *cursor));
                    reader.started = false;
                }
            }
            What::Stream {
                client,
                epoch,
                conversation,
                cursor,
            } => {
                let reader = readers.entry((client, conversation.as_str())).or_default();
                let reader = reader.on(*epoch);
                let start = Start {
                    cursor: *cursor,
                    user: facts.user(client),
                    log: facts.logs.get(conversation.as_str()),
                    synced: syncs.get(client.as_ref()) == Some(epoch),
                };
                let outcome = start.of(reader);
                match outcome {
                    Outcome::Beyond(end) => findings.add([Line::History(n)], || {
                        format!("a stream of {conversation} to {client} starts after {cursor}, beyond its end {end}")
                    }),
                    Outcome::Gap(lacks) => {
                        let before = reader.named.map(|(record, _)| record).or(reader.last);
                        let missing = start.log.and_then(|log| log.slot(lacks).first());
                        let lines = history([before, Some(n)]);
                        let missing = missing.map(|stored| Line::Store(stored.place));
                        findings.add(lines.chain(missing), || {
                            format!(
                                "a stream of {conversation} to {client} starts after {cursor}, past {} which it lacks",
                                lacks
                            )
                        });
                    }
                    Outcome::Explained => {}
                }
                if !matches!(outcome, Outcome::Beyond(_)) {
                    if reader.base.is_some() {
                        reader.had.insert(reader.lacks(), *cursor);
                    }
                    reader.begin(*cursor);
                }
                reader.started = true;
                reader.last = Some(n);
            }
            What::Entry {
                client,
                epoch,
                conversation,
                seq,
                ..
            } => {
                let reader = readers.entry((client, conversation.as_str())).or_default();
                let reader = reader.on(*epoch);
                if reader.base.is_none() {
                    reader.begin(seq.saturating_sub(1));
                }
                reader.had.insert(*seq, *seq);
                reader.last = Some(n);
            }
            _ => {}
        }
    }
    (findings, Readers(readers))
}

/// A stream's start.
struct Start<'a, 'b> {
    cursor: Seq,
    user: &'a str,
    log: Option<&'b Log<'a>>,
    /// Whether the client has sent a `sync` on this connection.
    synced: bool,
}

enum Outcome {
    Explained,
    /// The reader lacks this, and what follows up to the start.
    Gap(Seq),
    /// The log ends here.
    Beyond(Seq),
}

impl Start<'_, '_> {
    fn of(&self, reader: &Reader) -> Outcome {
        let end = self.log.map_or(0, Log::head);
        if self.cursor > end {
            return Outcome::Beyond(end);
        }
        let stands = match (reader.named, reader.base) {
            (Some((_, named)), _) if !reader.started => named,
            (_, Some(_)) => reader.reach(),
            (_, None) => return Outcome::Explained,
        };
        let is_member_anew = || {
            self.log
                .is_some_and(|log| log.members.begins_at(self.user, self.cursor.saturating_add(1)))
        };
        let was_none = || {
            self.log
                .is_some_and(|log| !log.members.includes(self.user, stands))
        };
        let left_out = reader.named.is_none() && !reader.started && self.synced;
        let answers_name = reader.named.is_some() && !reader.started;
        if self.cursor <= stands || is_member_anew() || left_out || (!answers_name && was_none()) {
            Outcome::Explained
        } else {
            Outcome::Gap(stands.saturating_add(1))
        }
    }
}
