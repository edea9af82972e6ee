//! Coordination within one process: what Redis is to a cluster, for a node that is alone, and for the simulated
//! nodes of [`crate::memory`].
//!
//! Everything in it may vanish at any moment, as the ports say; so it is bounded by letting go of what was longest not
//! asked for, and what has expired is as good as gone. Nothing is written anywhere.
//!
//! Architecture invariant: no clock but tokio's, no randomness, no I/O.

mod bounded;
mod bus;
mod codes;
mod events;
mod leases;
mod node;
mod presence;
mod recent;
mod sessions;

pub(crate) use leases::Slot;
pub use node::{Direct, LocalNode, Timing, Way};
pub(crate) use node::{Keys, Service, State};
