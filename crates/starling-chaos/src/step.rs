//! One strike of a fault in a plan, and the place where it falls.

use serde::{Deserialize, Serialize};

/// One strike. All that chance decides about it is decided here, so that it can be done again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The fault's name.
    pub fault: String,
    /// The node that it falls on, from 0; faults of Redis, MongoDB or the clients as a whole do not look at it.
    pub node: usize,
    /// Whether a fault that can fall on all nodes' links at once does.
    pub all: bool,
    /// From what further choices are drawn.
    pub draw: u64,
}
