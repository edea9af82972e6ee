//! What must always hold, what must hold at rest, and what must be seen so that the rest means something.

use stateright::Property;

use crate::Sequencer;
use crate::action::{is_idle, progress};
use crate::config::{Ask, BOB, Config, OpId, Seq};
use crate::state::{Lease, Outcome, Phase, Queued, State};
use crate::store::NOBODY;

/// I1.
pub const STORED: &str = "I1 what is acknowledged is in the log at its place";
/// I2.
pub const ONCE: &str = "I2 a place holds one entry, and an operation one place";
/// I3.
pub const REFUSED: &str = "I3 what is refused is never in the log";
/// I5. (That what was acknowledged comes before what is sent later follows from I1 and I6: when an entry at a place
/// is acknowledged, all places up to it are taken for ever.)
pub const IN_ORDER: &str = "I5 a client's messages are stored in the order sent";
/// I6.
pub const CONTIGUOUS: &str = "I6 the log has no gap";
/// I7.
pub const DELIVERED: &str = "I7 at rest, every node's sessions have the whole log";
/// I10, as far as the log goes.
pub const MEMBERS: &str = "I10 nothing of a removed member is appended";
/// What Redis and crashes have left undone is made good.
pub const APPLIED: &str = "at rest, the directory is what the log makes it";
/// No operation and no insert is stuck.
pub const ANSWERED: &str = "at rest, everything is answered and nothing is left over";

type Holds = fn(&Sequencer, &State) -> bool;

/// The properties of a sound sequencer.
const ALWAYS: [(&str, Holds); 9] = [
    (STORED, |model, state| {
        acknowledged_is_stored(&model.config, state)
    }),
    (ONCE, |_, state| each_once(state)),
    (REFUSED, |model, state| refused_is_absent(&model.config, state)),
    (IN_ORDER, |model, state| in_order(&model.config, state)),
    (CONTIGUOUS, |_, state| contiguous(state)),
    (MEMBERS, |model, state| members_only(&model.config, state)),
    (DELIVERED, |model, state| {
        let head = state.store.head();
        state.nodes.iter().all(|node| node.hub == head) || !is_at_rest(&model.config, state)
    }),
    (APPLIED, |model, state| {
        applied(&model.config, state) || !is_at_rest(&model.config, state)
    }),
    (ANSWERED, |model, state| {
        answered(&model.config, state) || !is_at_rest(&model.config, state)
    }),
];

/// What a model that is worth anything comes across.
const SOMETIMES: [(&str, Holds); 13] = [
    ("all is done", |model, state| {
        is_at_rest(&model.config, state) && answered(&model.config, state)
    }),
    ("an insert is fenced off", |_, state| {
        state.store.flights.iter().any(|flight| flight.collided)
    }),
    ("an insert is fenced off in its middle", |_, state| {
        let mut flights = state.store.flights.iter();
        flights.any(|flight| flight.collided && flight.landed > 0)
    }),
    ("a recovery applies what another left", |_, state| {
        let mut nodes = state.nodes.iter();
        nodes.any(|node| matches!(node.phase, Phase::ReApply { .. }))
    }),
    ("an insert lands after its lookup found nothing", |_, state| {
        let mut queued = state.nodes.iter().flat_map(|node| node.queue.iter());
        queued
            .any(|queued| !queued.look_up && queued.absent_as_of > 0 && state.store.find(queued.op).is_some())
    }),
    (
        "a late insert may still land while its operation is tried again",
        |_, state| {
            let mut late = state.store.flights.iter().filter(|flight| flight.owner == NOBODY);
            late.any(|late| {
                let mut others = state.store.flights.iter().filter(|flight| flight.owner != NOBODY);
                others.any(|other| other.ops.iter().any(|op| late.ops.iter().any(|same| same == op)))
            })
        },
    ),
    ("two nodes insert at the same place", |_, state| {
        let mut bases = state.store.flights.iter().filter(|flight| flight.owner != NOBODY);
        let first = bases.next();
        first.is_some_and(|first| bases.any(|other| other.base == first.base))
    }),
    ("a member is refused after the removal", |_, state| {
        state
            .outcomes
            .iter()
            .any(|outcome| matches!(outcome, Outcome::Refused(_)))
    }),
    ("a retry is stored already", |_, state| {
        let mut queued = state.nodes.iter().flat_map(|node| node.queue.iter());
        queued.any(|queued| queued.retried && state.store.find(queued.op).is_some())
    }),
    ("something is appended without a lease", |_, state| {
        let mut nodes = state.nodes.iter();
        nodes.any(|node| node.phase == Phase::Insert && node.lease == Lease::None)
    }),
    ("a lease is kept from batch to batch", |_, state| {
        state.nodes.iter().any(|node| node.lease == Lease::Reserved)
    }),
    (
        "what came behind a given up operation is queued",
        |model, state| {
            let cut_off = |queued: &Queued| {
                let client = model.config.op(queued.op).sender;
                state.clients[client].cut_off.has(queued.origin)
            };
            state.nodes.iter().any(|node| node.queue.iter().any(cut_off))
        },
    ),
    ("a new primary does not show all that is stored", |_, state| {
        state.store.head() < state.store.stored().count() as Seq
    }),
];

/// The names of what must be seen.
pub fn worth_seeing() -> impl Iterator<Item = &'static str> {
    SOMETIMES.iter().map(|(name, _)| *name)
}

pub(crate) fn all() -> Vec<Property<Sequencer>> {
    let always = ALWAYS.iter().map(|(name, holds)| Property::always(name, *holds));
    let sometimes = SOMETIMES
        .iter()
        .map(|(name, seen)| Property::sometimes(name, *seen));
    always.chain(sometimes).collect()
}

/// Nothing happens any more unless something fails.
pub(crate) fn is_at_rest(config: &Config, state: &State) -> bool {
    if !state
        .nodes
        .iter()
        .all(|node| is_idle(node) || node.phase == Phase::Acquire)
    {
        return false;
    }
    let mut rests = true;
    progress(config, state, |_| rests = false);
    rests
}

fn acknowledged_is_stored(config: &Config, state: &State) -> bool {
    (1..config.ops.len()).all(|op| match state.outcomes[op] {
        Outcome::Stored(seq) => {
            let mut log = state.store.log.iter();
            log.any(|entry| entry.seq == seq && usize::from(entry.op) == op)
        }
        _ => true,
    })
}

fn each_once(state: &State) -> bool {
    let log = state.store.log.as_slice();
    log.iter().enumerate().all(|(index, entry)| {
        let mut later = log[index + 1..].iter();
        later.all(|other| other.seq != entry.seq && other.op != entry.op)
    })
}

/// A refusal speaks for the membership that it was judged by: if bob is added again, another try of the same send
/// that another node has not looked at until then may be stored.
fn refused_is_absent(config: &Config, state: &State) -> bool {
    (1..config.ops.len()).all(|op| {
        let Outcome::Refused(head) = state.outcomes[op] else {
            return true;
        };
        state.store.place(op as OpId).is_none_or(|seq| {
            let was_added = state.store.changes(config, head, seq).iter().any(|(_, bob)| *bob);
            was_added && !config.strict_refusals
        })
    })
}

fn in_order(config: &Config, state: &State) -> bool {
    config.scripts.iter().all(|script| {
        let stored = script.iter().filter(|op| {
            config.op(**op).ask == Ask::Message && !matches!(state.outcome(**op), Outcome::Refused(_))
        });
        let seqs: Vec<_> = stored.filter_map(|op| state.store.place(*op)).collect();
        seqs.is_sorted()
    })
}

fn contiguous(state: &State) -> bool {
    let log = state.store.log.as_slice();
    log.windows(2).all(|pair| pair[1].seq <= pair[0].seq + 1)
}

fn members_only(config: &Config, state: &State) -> bool {
    state.store.stored().all(|entry| {
        let op = config.op(entry.op);
        op.sender != BOB || op.ask != Ask::Message || state.store.fold(config, entry.seq - 1)
    })
}

fn applied(config: &Config, state: &State) -> bool {
    let head = state.store.head();
    let directory = state.store.directory;
    directory.bob == state.store.fold(config, head)
        && directory.changed == state.store.membership(config, head)
}

fn answered(config: &Config, state: &State) -> bool {
    let all = (1..config.ops.len()).all(|op| state.outcomes[op] != Outcome::Open);
    let nothing_left = state.nodes.iter().all(|node| is_idle(node) && node.mark == 0);
    all && nothing_left && state.store.flights.is_empty()
}
