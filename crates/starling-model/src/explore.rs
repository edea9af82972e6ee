//! Exploring a configuration to its end, or to the first violation.

use std::collections::BTreeSet;
use std::fmt;

use stateright::{Checker, HasDiscoveries, Model};

use crate::rest::reach_rest;
use crate::{Action, Config, Rest, Sequencer};

/// What an exploration has found.
#[derive(Debug)]
pub struct Explored {
    /// The configuration's name.
    pub name: &'static str,
    /// So many steps were tried.
    pub steps: usize,
    /// So many states were reached.
    pub states: usize,
    /// The longest way to a state.
    pub depth: usize,
    /// The properties that are violated, each with a shortest way there. The exploration ends soon after the first.
    pub violated: Vec<(&'static str, Vec<Action>)>,
    /// What was seen of what is worth seeing.
    pub seen: BTreeSet<&'static str>,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            steps,
            states,
            depth,
            ..
        } = self;
        write!(f, "{name}: {states} states, {steps} steps, depth {depth}")?;
        for (property, path) in &self.violated {
            write!(f, "\n  violated: {property}")?;
            for action in path {
                write!(f, "\n    {action:?}")?;
            }
        }
        Ok(())
    }
}

/// Checks what must always hold in all states of a configuration, breadth first: the first way to a violation is a
/// shortest one.
pub fn explore(config: &Config) -> Explored {
    let model = Sequencer {
        config: config.clone(),
    };
    let checker = model
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let (violated, seen): (Vec<_>, Vec<_>) = checker
        .discoveries()
        .into_iter()
        .partition(|(name, _)| checker.model().property(name).expectation.discovery_is_failure());
    let mut violated: Vec<_> = violated
        .into_iter()
        .map(|(name, path)| (name, path.into_actions()))
        .collect();
    violated.sort_by_key(|(_, path)| path.len());
    Explored {
        name: config.name,
        steps: checker.state_count(),
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        violated,
        seen: seen.into_iter().map(|(name, _)| name).collect(),
    }
}

/// Checks that from all states of a configuration rest can be reached without another fault.
pub fn explore_rest(config: &Config) -> Rest {
    reach_rest(&Sequencer {
        config: config.clone(),
    })
}
