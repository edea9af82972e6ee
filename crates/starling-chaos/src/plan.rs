//! Which faults strike, in which order, and with which choices: drawn from a seed, saved, and done again.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::faults::{FAULTS, find};
use crate::step::Step;
use crate::topology::NODES;

/// The course of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// From what it was drawn. The load's choices come from it, too.
    pub seed: u64,
    /// The strikes, in order.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Every fault once, in an order that the seed decides.
    pub fn of_all(seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut names: Vec<&str> = FAULTS.iter().map(|fault| fault.name).collect();
        names.shuffle(&mut chance);
        let steps = names.into_iter().map(|name| step(name, &mut chance)).collect();
        Self { seed, steps }
    }

    /// These faults, in this order.
    ///
    /// # Errors
    /// If there is no fault of a name.
    pub fn of(seed: u64, faults: &[impl AsRef<str>]) -> Result<Self> {
        let mut chance = StdRng::seed_from_u64(seed);
        let steps = faults.iter().map(|name| {
            let name = name.as_ref();
            let Some(fault) = find(name) else {
                bail!("there is no fault {name:?}; `cargo xtask chaos --list` lists them");
            };
            Ok(step(fault.name, &mut chance))
        });
        Ok(Self {
            seed,
            steps: steps.collect::<Result<_>>()?,
        })
    }

    /// A plan that was saved.
    ///
    /// # Errors
    /// If it cannot be read, or asks for what does not exist.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let plan: Self =
            serde_json::from_str(&text).with_context(|| format!("{} is no plan", path.display()))?;
        for step in &plan.steps {
            if find(&step.fault).is_none() || step.node >= NODES {
                bail!("{} asks for what does not exist: {step:?}", path.display());
            }
        }
        Ok(plan)
    }

    /// Saves it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, serde_json::to_string_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whether it strikes every fault there is.
    pub fn is_whole(&self) -> bool {
        FAULTS
            .iter()
            .all(|fault| self.steps.iter().any(|step| step.fault == fault.name))
    }
}

fn step(fault: &str, chance: &mut StdRng) -> Step {
    Step {
        fault: fault.to_owned(),
        node: chance.random_range(0..NODES),
        all: chance.random_bool(0.5),
        // Small enough to be a number in any JSON.
        draw: u64::from(chance.random::<u32>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything_and_no_fault_is_left_out() {
        let plan = Plan::of_all(7);
        assert_eq!(plan, Plan::of_all(7));
        assert_ne!(plan.steps, Plan::of_all(8).steps);
        assert!(plan.is_whole());
        assert_eq!(plan.steps.len(), FAULTS.len());
        assert!(Plan::of(7, &["redis-flushed", "unheard-of"]).is_err());
        assert!(!Plan::of(7, &["redis-flushed"]).unwrap().is_whole());
    }
}
