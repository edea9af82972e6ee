//! The store: the log with its unique keys, inserts under way, and the directory that follows the log.

use crate::Defect;
use crate::config::{Config, OpId, Seq};
use crate::list::List;
use crate::state::BATCH;

pub(crate) const LOG: usize = 9;
pub(crate) const FLIGHTS: usize = 4;

/// The owner of an insert that nobody waits for any more.
pub(crate) const NOBODY: u8 = u8::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    /// Ordered by seq.
    pub(crate) log: List<Entry, LOG>,
    pub(crate) flights: List<Flight, FLIGHTS>,
    pub(crate) directory: Directory,
    /// Reads see the log up to here: a new primary may not know yet how much a majority has.
    pub(crate) seen: Seq,
}

/// What [`Store::seen`] is once a primary has caught up.
pub(crate) const ALL: Seq = Seq::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Entry {
    pub(crate) seq: Seq,
    pub(crate) op: OpId,
    /// A majority has it: only this is ever read, and it stays.
    pub(crate) majority: bool,
}

/// What entries make of bob's membership, each with its seq.
pub(crate) type Changes = List<(Seq, bool), LOG>;

/// An ordered insert on its way: entries land one by one, up to the first collision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Flight {
    pub(crate) owner: u8,
    pub(crate) base: Seq,
    pub(crate) ops: List<OpId, BATCH>,
    pub(crate) landed: u8,
    pub(crate) collided: bool,
}

impl Flight {
    pub(crate) fn is_over(&self) -> bool {
        self.collided || usize::from(self.landed) == self.ops.len()
    }
}

/// Bob's member record, and the conversation's `applied` mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Directory {
    pub(crate) bob: bool,
    /// The entry that last changed it: the guard.
    pub(crate) changed: Seq,
    pub(crate) applied: Seq,
}

impl Store {
    /// A log with its first entry, which is applied.
    pub(crate) fn new() -> Self {
        let first = Entry {
            seq: 1,
            op: 0,
            majority: true,
        };
        Self {
            log: std::iter::once(first).collect(),
            flights: List::default(),
            directory: Directory {
                bob: true,
                changed: 1,
                applied: 1,
            },
            seen: ALL,
        }
    }

    /// What a majority has, by seq.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Entry> {
        self.log.iter().filter(|entry| entry.majority)
    }

    /// What a read at majority sees of it.
    pub(crate) fn readable(&self) -> impl Iterator<Item = &Entry> {
        self.stored().filter(|entry| entry.seq <= self.seen)
    }

    /// A read of the head.
    pub(crate) fn head(&self) -> Seq {
        self.readable().last().map_or(0, |entry| entry.seq)
    }

    /// A lookup.
    pub(crate) fn find(&self, op: OpId) -> Option<Seq> {
        self.readable()
            .find(|entry| entry.op == op)
            .map(|entry| entry.seq)
    }

    /// Where an operation stands, whoever sees it.
    pub(crate) fn place(&self, op: OpId) -> Option<Seq> {
        self.stored().find(|entry| entry.op == op).map(|entry| entry.seq)
    }

    /// The last change of membership up to `seq`: what the entry there carries as its mark.
    pub(crate) fn membership(&self, config: &Config, seq: Seq) -> Seq {
        self.stored()
            .filter(|entry| entry.seq <= seq && config.membership(entry.op).is_some())
            .last()
            .map_or(0, |entry| entry.seq)
    }

    /// Bob's membership after the entries up to `seq`, as far as the log itself says.
    pub(crate) fn fold(&self, config: &Config, seq: Seq) -> bool {
        self.stored()
            .take_while(|entry| entry.seq <= seq)
            .fold(false, |bob, entry| config.membership(entry.op).unwrap_or(bob))
    }

    /// The changes of membership after `from` up to `to`.
    pub(crate) fn changes(&self, config: &Config, from: Seq, to: Seq) -> Changes {
        changes(config, self.stored(), from, to)
    }

    /// A read of the entries after `from` up to `to`: the changes of membership among them, unless it falls
    /// short.
    pub(crate) fn read_changes(&self, config: &Config, from: Seq, to: Seq) -> Option<Changes> {
        let falls_short = self.seen < to && !config.lacks(Defect::ShortReads);
        (!falls_short).then(|| changes(config, self.readable(), from, to))
    }

    pub(crate) fn apply(&mut self, config: &Config, effects: &[(Seq, bool)]) {
        for (seq, bob) in effects {
            if self.directory.changed < *seq || config.lacks(Defect::EffectsUnguarded) {
                self.directory.bob = *bob;
                self.directory.changed = *seq;
            }
        }
    }

    /// The next entry of an insert is stored, or collides.
    pub(crate) fn land(&mut self, config: &Config, index: usize) {
        let flight = &mut self.flights.as_mut_slice()[index];
        let entry = Entry {
            seq: flight.base + flight.landed,
            op: flight.ops.as_slice()[usize::from(flight.landed)],
            majority: !config.slow_majority,
        };
        if collides(config, &self.log, &entry) {
            flight.collided = true;
        } else {
            flight.landed += 1;
            self.log.push(entry);
            self.log.as_mut_slice().sort_unstable();
        }
        self.tidy(config);
    }

    /// Forgets inserts that nobody waits for and that cannot store anything more, and orders the others.
    pub(crate) fn tidy(&mut self, config: &Config) {
        let log = self.log;
        self.flights.retain(|flight| {
            flight.owner != NOBODY || !(flight.is_over() || is_barred(config, &log, flight))
        });
        self.flights.as_mut_slice().sort_unstable();
    }

    /// Nobody waits for a node's insert any more.
    pub(crate) fn orphan(&mut self, config: &Config, node: usize) {
        for flight in self.flights.as_mut_slice() {
            if usize::from(flight.owner) == node {
                flight.owner = NOBODY;
            }
        }
        self.tidy(config);
    }

    /// All that is stored has a majority.
    pub(crate) fn replicate(&mut self) {
        for entry in self.log.as_mut_slice() {
            entry.majority = true;
        }
    }

    /// A new primary: what no majority had is gone. Inserts that lost something begin anew there, as the
    /// driver's retries do.
    pub(crate) fn roll_back(&mut self, config: &Config) {
        self.log.retain(|entry| entry.majority);
        let log = self.log;
        for flight in self.flights.as_mut_slice() {
            let stays = |index: u8| {
                let (seq, op) = (flight.base + index, flight.ops.as_slice()[usize::from(index)]);
                log.iter().any(|entry| entry.seq == seq && entry.op == op)
            };
            let landed = (0..flight.landed).take_while(|index| stays(*index)).count() as u8;
            if landed < flight.landed || flight.collided {
                flight.landed = landed;
                flight.collided = false;
            }
        }
        self.tidy(config);
    }
}

fn changes<'a>(config: &Config, entries: impl Iterator<Item = &'a Entry>, from: Seq, to: Seq) -> Changes {
    entries
        .filter(|entry| from < entry.seq && entry.seq <= to)
        .filter_map(|entry| Some((entry.seq, config.membership(entry.op)?)))
        .collect()
}

fn collides(config: &Config, log: &List<Entry, LOG>, entry: &Entry) -> bool {
    log.iter().any(|stored| {
        (stored.seq == entry.seq && !config.lacks(Defect::NoSeqIndex))
            || (stored.op == entry.op && !config.lacks(Defect::NoIdempotency))
    })
}

/// Whether the next entry of an insert collides for ever.
fn is_barred(config: &Config, log: &List<Entry, LOG>, flight: &Flight) -> bool {
    let entry = Entry {
        seq: flight.base + flight.landed,
        op: flight.ops.as_slice()[usize::from(flight.landed)],
        majority: true,
    };
    let stays: List<Entry, LOG> = log.iter().filter(|stored| stored.majority).copied().collect();
    collides(config, &stays, &entry)
}
