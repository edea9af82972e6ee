//! What can happen next by the system's own doing.

use crate::Defect;
use crate::client::{can_learn, can_send};
use crate::config::{Config, Seq};
use crate::fault::Fault;
use crate::redis::Lock;
use crate::state::{Lease, Node, Phase, State};
use crate::store::{ALL, NOBODY};

/// A step of the modelled world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A node takes the next operation of a client in.
    Send {
        /// Whose.
        client: usize,
    },
    /// The nodes find that a client's earlier connections have ended.
    Learn {
        /// Whose.
        client: usize,
    },
    /// The call that a node's actor is at is carried out and answered, and the actor goes on to its next one.
    Step {
        /// Whose.
        node: usize,
    },
    /// A commit that keeps the lease, where releasing it is possible too.
    Keep {
        /// Whose.
        node: usize,
    },
    /// An insert stores its next entry, or collides.
    Land {
        /// Which of those under way.
        insert: usize,
    },
    /// An insert that nobody waits for any more goes no further.
    Drop {
        /// Which of those under way.
        insert: usize,
    },
    /// A majority has what is stored.
    Replicate,
    /// A node writes its `applied` mark.
    WriteMark {
        /// Which.
        node: usize,
    },
    /// A node compares its stream's head with the log's, and reads what it lacks.
    Compare {
        /// Which.
        node: usize,
    },
    /// The rotation over all conversations comes by.
    Rotate,
    /// A node asks Redis again.
    RedisIsBack {
        /// Which.
        node: usize,
    },
    /// A lease that nobody uses expires.
    LeaseEnds,
    /// A new primary has caught up.
    CatchUp,
    /// The nodes enter the route that Redis has lost.
    Register,
    /// Something goes wrong.
    Fault(Fault),
}

/// Calls `each` with every step that the system can take by itself.
pub(crate) fn progress(config: &Config, state: &State, mut each: impl FnMut(Action)) {
    let head = state.store.head();
    for (node, actor) in state.nodes.iter().enumerate() {
        if can_step(config, state, node) {
            each(Action::Step { node });
            if actor.phase == Phase::Commit && can_choose(config, state, node) {
                each(Action::Keep { node });
            }
        }
        if actor.mark > 0 {
            each(Action::WriteMark { node });
        }
        if actor.hub < head && !config.lacks(Defect::NoResync) {
            each(Action::Compare { node });
        }
        if actor.alone {
            each(Action::RedisIsBack { node });
        }
    }
    for client in 0..state.clients.len() {
        if can_send(config, state, client) {
            each(Action::Send { client });
        }
        if can_learn(config, state, client) {
            each(Action::Learn { client });
        }
    }
    for (insert, flight) in state.store.flights.iter().enumerate() {
        if !flight.is_over() {
            each(Action::Land { insert });
        }
        if flight.owner == NOBODY {
            each(Action::Drop { insert });
        }
    }
    if state.store.log.iter().any(|entry| !entry.majority) {
        each(Action::Replicate);
    }
    if state.store.seen != ALL {
        each(Action::CatchUp);
    }
    if may_end(state) {
        each(Action::LeaseEnds);
    }
    if !state.redis.routed {
        each(Action::Register);
    }
    if rotation_finds_it(state, head) && !config.lacks(Defect::QuietNotRecovered) {
        each(Action::Rotate);
    }
}

fn can_step(config: &Config, state: &State, node: usize) -> bool {
    let actor = state.node(node);
    match actor.phase {
        Phase::Idle => !actor.queue.is_empty() || actor.suspect,
        Phase::Acquire => actor.alone || actor.lease == Lease::Reserved || state.redis.is_open_to(node),
        Phase::Insert => is_answered(config, state, node),
        _ => true,
    }
}

/// An insert is answered once it is over, and a majority has what it stored.
fn is_answered(config: &Config, state: &State, node: usize) -> bool {
    let mut flights = state.store.flights.iter();
    let Some(flight) = flights.find(|flight| usize::from(flight.owner) == node) else {
        return false;
    };
    let stored = flight.ops.as_slice()[..usize::from(flight.landed)].iter();
    let has_majority = (flight.base..).zip(stored).all(|(seq, op)| {
        let mut log = state.store.readable();
        log.any(|entry| entry.seq == seq && entry.op == *op)
    });
    flight.is_over() && (has_majority || config.lacks(Defect::MinorityWrites))
}

/// Whether a commit may as well keep the lease as release it.
fn can_choose(config: &Config, state: &State, node: usize) -> bool {
    let actor = state.node(node);
    let world = crate::world::World {
        config,
        state: *state,
    };
    actor.lease != Lease::None
        && !actor.alone
        && !actor.suspect
        && world.may_keep(node)
        && !world.must_keep(node)
}

/// A lock expires by itself where its claim is no longer used, or its holder has nothing to do.
pub(crate) fn may_end(state: &State) -> bool {
    match state.redis.lock {
        Lock::Free => false,
        Lock::Nobody => true,
        Lock::Node(node) => is_idle(state.node(usize::from(node))),
    }
}

pub(crate) fn is_idle(actor: &Node) -> bool {
    actor.phase == Phase::Idle && actor.queue.is_empty() && !actor.suspect
}

/// The rotation recovers what stays behind for longer than marks take to be written.
fn rotation_finds_it(state: &State, head: Seq) -> bool {
    state.store.directory.applied < head
        && state.store.flights.is_empty()
        && state.nodes.iter().all(|actor| is_idle(actor) && actor.mark == 0)
}
