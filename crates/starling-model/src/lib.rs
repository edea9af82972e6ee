//! An exhaustive model of the sequencer: one conversation, two or three nodes, and everything that can go wrong
//! between them, explored to the last state within small bounds.
//!
//! The engine's tests and simulations draw some of all possible runs. Here a run is a path through a graph, and the
//! tests visit the whole graph: [`explore`] checks that nothing that [`properties`] name is violated in any state,
//! [`explore_rest`] that from every state a state of rest is in reach without another fault, so that nothing is stuck
//! in a loop of retries. Without one of its safeguards ([`Defect`]) the model is violated, by the property that the
//! safeguard is there for; some of these have been found in the engine by this model and are closed since.
//!
//! # What mirrors what
//!
//! A step of an actor is one call to a port, with all that the actor does until the next one: nobody sees anything of
//! it in between. Every call can be followed by a crash, and most can fail, carried out or not.
//!
//! | Here | In `starling-core` |
//! |---|---|
//! | `turn::begin`, `Phase` | `Actor::turn`: the order of the calls |
//! | `turn/queue.rs` | `actor/queue.rs`: `look_up`, `refuse_early`, `give_up`; `rules::judge`; `Operation` |
//! | `turn/lease.rs` | `actor/lease.rs`: `acquire`, `commit`, `abandon_lease` |
//! | `turn/head.rs` | `actor/head.rs`: `follow_deliveries`, `refresh`, `read_head`, `recover`, `settle`; `State::load` |
//! | `turn/batch.rs` | `Actor::build`, `stored`, `in_doubt` |
//! | `client.rs` | `Actor::accept`; `Session::answer`; `Outbox::close`; starling-client's order of sending again |
//! | `redis.rs` | `reserve.lua`, `commit.lua`, `abandon.lua` |
//! | `store.rs` | `EntryLog::insert` with its unique keys, reads at majority, `Directory::apply`, `mark_applied` |
//! | `Action::Rotate`, `Fault::Recover` | `audit::rotate`, `Registration::check_route`: `Mail::Recover` |
//! | `Action::Compare`, `Register` | `Delivery::compare`, `Registration`: what pub/sub has lost is made up for |
//! | `Action::WriteMark` | `Marks::flush_applied` |
//!
//! # What is simpler, and why that is sound
//!
//! - *No time.* Whatever waits may wait for ever or not at all: expiry, deadlines and pauses become choices, so every
//!   setting of the timers is covered, and more. Faults are counted instead.
//! - *Membership stands for all derived state.* Ann, an admin, sends, removes bob and adds him; bob sends. Bob's member
//!   record, guarded by the seq of its last change, is the directory; further records would only repeat it.
//! - *The lease has no queue of waiters.* A released lease goes to any node that asks; the queue only narrows that.
//! - *Tokens* are distinct for each claim, so a lock belongs to a node's present claim or to one that is never used
//!   again. A counter that is ahead of the head stays so until both are set: by how much does not matter.
//! - *An actor takes operations in between turns only,* as the engine does; what waits in its mailbox might as well be
//!   on the wire still.
//! - *No cache of recent entries.* It answers what a lookup answers, earlier.
//! - *A message of another node* arrives with the commit that publishes it, or never; one that arrives late does what
//!   comparing heads does.
//! - *A state is loaded in one step.* The engine reads the head first and the directory after it, and what the directory
//!   has taken in meanwhile stands at places that are taken: whatever is built on such a state collides.
//! - *An insert is one conversation's.* Where the writer merges several, a collision takes only one of them out.
//! - *A client stands for a user with one device.* Two devices of a user share nothing but membership.
//! - *Bodies, Lamport stamps and counts* follow from the held entry alone and are left out, as is the first entry of a
//!   log, which is there from the beginning.
//!
//! # Bounds
//!
//! States are told apart by a hash of 64 bits, as stateright does. The tests explore each configuration within a few
//! seconds; `cargo run -p starling-model --example deeper` takes minutes over larger ones.

mod action;
mod client;
mod config;
mod defects;
mod explore;
mod fault;
mod list;
pub mod properties;
mod redis;
mod rest;
mod state;
mod store;
mod turn;
mod world;

use stateright::{Model, Property};

pub use action::Action;
pub use config::{Ask, Config, Kind, OpId, Seq};
pub use defects::Defect;
pub use explore::{Explored, explore, explore_rest};
pub use fault::Fault;
pub use rest::Rest;
pub use state::State;

/// The model of one configuration, for stateright's checkers.
#[derive(Debug, Clone)]
pub struct Sequencer {
    /// Its bounds, and what is missing.
    pub config: Config,
}

impl Model for Sequencer {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(&self.config)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        action::progress(&self.config, state, |action| actions.push(action));
        fault::faults(&self.config, state, |fault| actions.push(Action::Fault(fault)));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut world = world::World {
            config: &self.config,
            state: *state,
        };
        world.take(action);
        Some(world.state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }

    /// Only a log without its keys grows longer than there are operations.
    fn within_boundary(&self, state: &State) -> bool {
        state.store.log.len() < store::LOG
    }
}
