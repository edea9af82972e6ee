//! What can go wrong next.

use crate::action::{is_idle, may_end};
use crate::config::{Config, Kind, Seq};
use crate::redis::{Lock, Marks};
use crate::state::{Lease, Phase, State};

/// What goes wrong. `done`: the call is carried out, only its answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what they are called everywhere here")]
pub enum Fault {
    /// A node dies and starts anew; its clients connect to `to`.
    Crash {
        node: usize,
        to: usize,
    },
    /// A client's connection ends; it connects to `to`.
    Cut {
        client: usize,
        to: usize,
    },
    /// A node gets no answer to its insert.
    InsertUnanswered {
        node: usize,
    },
    /// The lease ends in the middle.
    LeaseExpires,
    /// A node finds that too much time has passed since it kept the lease.
    ReservationLapses {
        node: usize,
    },
    /// Redis is emptied.
    Flush,
    /// Redis is as it was when `head` was the committed head.
    FailOver {
        head: Seq,
    },
    /// Redis' counter is set.
    Counter {
        counter: Seq,
    },
    ReserveFails {
        node: usize,
        done: bool,
    },
    CommitFails {
        node: usize,
        done: bool,
    },
    AnnounceFails {
        node: usize,
        done: bool,
    },
    /// Effects that are applied again, are not.
    ReApplyFails {
        node: usize,
        done: bool,
    },
    /// Effects of what was just stored are not applied.
    ApplyFails {
        node: usize,
        done: bool,
    },
    /// A commit publishes to nobody.
    PublishLost {
        node: usize,
    },
    /// A client's oldest operation there has waited too long; if it still listens, it connects to `to`.
    GiveUp {
        node: usize,
        client: usize,
        to: usize,
    },
    /// A node is told to recover.
    Recover {
        node: usize,
    },
    /// A new primary lacks what no majority had.
    Election,
    /// A new primary reads the log only up to `seen` for a while.
    Lag {
        seen: Seq,
    },
    /// An idle actor goes away.
    Retire {
        node: usize,
    },
}

impl Fault {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Crash { .. } => Kind::Crash,
            Self::Cut { .. } => Kind::Cut,
            Self::InsertUnanswered { .. } => Kind::Unknown,
            Self::LeaseExpires | Self::ReservationLapses { .. } => Kind::Expire,
            Self::Flush => Kind::Flush,
            Self::FailOver { .. } => Kind::FailOver,
            Self::Counter { .. } => Kind::Counter,
            Self::ReserveFails { .. } | Self::CommitFails { .. } | Self::AnnounceFails { .. } => Kind::Redis,
            Self::ReApplyFails { .. } | Self::ApplyFails { .. } => Kind::Apply,
            Self::PublishLost { .. } => Kind::Publish,
            Self::GiveUp { .. } => Kind::GiveUp,
            Self::Recover { .. } => Kind::Recover,
            Self::Election => Kind::Election,
            Self::Lag { .. } => Kind::Lag,
            Self::Retire { .. } => Kind::Retire,
        }
    }
}

/// Calls `each` with every fault that the bounds allow.
pub(crate) fn faults(config: &Config, state: &State, mut each: impl FnMut(Fault)) {
    if state.faults == 0 {
        return;
    }
    let mut each = |fault: Fault| {
        if state.may_fail(fault.kind()) {
            each(fault);
        }
    };
    for node in 0..config.nodes {
        of_node(config, state, node, &mut each);
    }
    for client in 0..state.clients.len() {
        if state.clients[client].sent > 0 {
            (0..config.nodes).for_each(|to| each(Fault::Cut { client, to }));
        }
    }
    if matches!(state.redis.lock, Lock::Node(_)) && !may_end(state) {
        each(Fault::LeaseExpires);
    }
    if let Some(marks) = state.redis.marks {
        each(Fault::Flush);
        let head = state.store.head();
        for counter in [1, head, head + 2] {
            if counter != marks.counter {
                each(Fault::Counter { counter });
            }
        }
    }
    for head in 1..=state.redis.committed {
        if state.redis.marks != Some(Marks::clean(head)) || state.redis.lock != Lock::Free {
            each(Fault::FailOver { head });
        }
    }
    if state.store.log.iter().any(|entry| !entry.majority) {
        each(Fault::Election);
    }
    for seen in 1..state.store.head() {
        each(Fault::Lag { seen });
    }
}

fn of_node(config: &Config, state: &State, node: usize, each: &mut impl FnMut(Fault)) {
    let actor = state.node(node);
    let has_clients = state
        .clients
        .iter()
        .any(|client| usize::from(client.node) == node);
    for to in 0..if has_clients { config.nodes } else { 1 } {
        each(Fault::Crash { node, to });
    }
    if actor.lease == Lease::Reserved {
        each(Fault::ReservationLapses { node });
    }
    for done in [true, false] {
        match actor.phase {
            Phase::Acquire
                if !actor.alone
                    && actor.lease != Lease::Reserved
                    && (!done || state.redis.is_open_to(node)) =>
            {
                each(Fault::ReserveFails { node, done });
            }
            Phase::Announce { .. } => each(Fault::AnnounceFails { node, done }),
            Phase::Commit if !actor.alone => each(Fault::CommitFails { node, done }),
            Phase::ReApply { .. } => each(Fault::ReApplyFails { node, done }),
            Phase::Apply => each(Fault::ApplyFails { node, done }),
            _ => {}
        }
    }
    match actor.phase {
        Phase::Insert => each(Fault::InsertUnanswered { node }),
        Phase::Commit if !actor.alone && state.redis.routed => each(Fault::PublishLost { node }),
        Phase::Idle | Phase::Acquire => {
            for client in 0..state.clients.len() {
                let mut queued = actor.queue.iter();
                if queued.any(|queued| config.op(queued.op).sender == client) {
                    (0..config.nodes).for_each(|to| each(Fault::GiveUp { node, client, to }));
                }
            }
        }
        _ => {}
    }
    if actor.phase == Phase::Idle && !actor.suspect {
        each(Fault::Recover { node });
        if is_idle(actor) && actor.lease == Lease::None && actor.held.is_some() {
            each(Fault::Retire { node });
        }
    }
}
