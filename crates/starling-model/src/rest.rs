//! Whether rest can be reached from wherever faults lead: no deadlock, and no loop without a way out.
//!
//! stateright's `eventually` does not see loops, and retries are loops. So the graph of all states is walked
//! once more, and searched backwards from the states at rest, along the system's own steps only.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ahash::RandomState;
use stateright::Model;

use crate::properties::is_at_rest;
use crate::{Action, Sequencer};

/// What the walk has found.
#[derive(Debug)]
pub struct Rest {
    /// So many states are at rest.
    pub at_rest: usize,
    /// A way to a state from which no rest can be reached without another fault, if there is one.
    pub stuck: Option<Vec<Action>>,
}

struct Visited {
    parent: u32,
    by: Option<Action>,
}

/// Walks all states of a model.
pub(crate) fn reach_rest(model: &Sequencer) -> Rest {
    // As stateright does, states are told apart by 64 bits.
    let hasher = RandomState::with_seeds(1, 2, 3, 4);
    let mut numbers: HashMap<u64, u32, RandomState> = HashMap::with_hasher(hasher.clone());
    let mut visited = Vec::new();
    let mut resting = Vec::new();
    // From where a state is reached by the system's own steps.
    let mut steps: Vec<(u32, u32)> = Vec::new();
    let mut layer = Vec::new();
    for state in model.init_states() {
        numbers.insert(hasher.hash_one(state), visited.len() as u32);
        layer.push((visited.len() as u32, state));
        visited.push(Visited { parent: 0, by: None });
    }
    let mut actions = Vec::new();
    while !layer.is_empty() {
        let mut next_layer = Vec::new();
        for (number, state) in layer {
            if is_at_rest(&model.config, &state) {
                resting.push(number);
            }
            model.actions(&state, &mut actions);
            for action in actions.drain(..) {
                let Some(next) = model.next_state(&state, action) else {
                    continue;
                };
                let reached = match numbers.entry(hasher.hash_one(next)) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => {
                        let reached = *new.insert(visited.len() as u32);
                        visited.push(Visited {
                            parent: number,
                            by: Some(action),
                        });
                        next_layer.push((reached, next));
                        reached
                    }
                };
                if !matches!(action, Action::Fault(_)) {
                    steps.push((reached, number));
                }
            }
        }
        layer = next_layer;
    }
    let stuck = first_stuck(&mut steps, &resting, visited.len());
    Rest {
        at_rest: resting.len(),
        stuck: stuck.map(|number| path_to(&visited, number)),
    }
}

/// The first state that is not found on the way back from rest.
fn first_stuck(steps: &mut [(u32, u32)], resting: &[u32], states: usize) -> Option<u32> {
    steps.sort_unstable();
    let mut can_rest = vec![false; states];
    let mut open = resting.to_vec();
    while let Some(number) = open.pop() {
        if std::mem::replace(&mut can_rest[number as usize], true) {
            continue;
        }
        let start = steps.partition_point(|(to, _)| *to < number);
        let into = steps[start..].iter().take_while(|(to, _)| *to == number);
        open.extend(
            into.map(|(_, from)| *from)
                .filter(|from| !can_rest[*from as usize]),
        );
    }
    can_rest.iter().position(|can| !can).map(|index| index as u32)
}

fn path_to(visited: &[Visited], mut number: u32) -> Vec<Action> {
    let mut path = Vec::new();
    while let Some(action) = visited[number as usize].by {
        path.push(action);
        number = visited[number as usize].parent;
    }
    path.reverse();
    path
}
