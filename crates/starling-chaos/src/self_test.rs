//! Checking the check: a node with a defect planted must be found out.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use starling_check::Invariant;
use starling_core::defect;

use crate::plan::Plan;
use crate::run::Run;
use crate::verdict::Verdict;

/// A defect that real processes can show, and how.
pub struct Trial {
    /// The planted defect.
    pub defect: &'static str,
    /// What brings it to light.
    faults: &'static [&'static str],
    /// The invariants of which at least one must be found violated.
    expected: &'static [Invariant],
}

/// Those of [`defect::ALL`] that should show on real processes within some minutes. The simulation shows all of them.
pub const TRIALS: &[Trial] = &[
    Trial {
        defect: defect::NO_SEQ_INDEX,
        // Without leases only the index keeps nodes apart.
        faults: &["redis-stopped", "holder-stalled"],
        expected: &[Invariant::I2, Invariant::I6],
    },
    Trial {
        defect: defect::NO_IDEMPOTENCY,
        faults: &["crash-after-insert", "mongo-link-replies-dropped"],
        expected: &[Invariant::I2],
    },
    Trial {
        defect: defect::MINORITY_WRITES,
        faults: &["primary-dies-alone"],
        expected: &[Invariant::I1],
    },
    Trial {
        defect: defect::COUNTER_TRUSTED,
        faults: &["counters-ahead"],
        expected: &[Invariant::I6],
    },
    Trial {
        defect: defect::QUIET_NOT_RECOVERED,
        faults: &["quiet-crash"],
        expected: &[Invariant::I7],
    },
    Trial {
        defect: defect::NO_RESYNC,
        faults: &["quiet-missed"],
        expected: &[Invariant::I7],
    },
];

impl Trial {
    /// The trial of this defect.
    pub fn of(defect: &str) -> Option<&'static Self> {
        TRIALS.iter().find(|trial| trial.defect == defect)
    }

    /// Runs a cluster with the defect in `dir`.
    ///
    /// # Errors
    /// If the run could not be carried out.
    pub async fn carry_out(&self, dir: &Path, binary: PathBuf, seed: u64) -> Result<Verdict> {
        let run = Run {
            dir: dir.to_path_buf(),
            binary,
            plan: Plan::of(seed, self.faults).context(self.defect)?,
            fail_points: Some(format!("{}=return", self.defect)),
            acknowledged: Some(0),
        };
        run.carry_out().await
    }

    /// Whether the verdict shows what was planted.
    pub fn is_found(&self, verdict: &Verdict) -> bool {
        verdict
            .report
            .violated()
            .any(|invariant| self.expected.contains(&invariant))
    }
}
