//! The simulation is simulated: engines that are broken on purpose, one safeguard taken out of each. Every defect has
//! to turn its invariant red within a few seeds, with no other turning red before it than those that follow from it.

use starling_check::Invariant::{self, I1, I2, I3, I4, I5, I6, I7, I8, I9, I10};
use starling_core::defect;

use crate::seeds::{BUILD, first_red};

/// A defect as it should be found.
struct Expected {
    defect: &'static str,
    /// What it breaks.
    breaks: &'static [Invariant],
    /// What may break with it.
    along: &'static [Invariant],
    /// So many seeds are enough.
    seeds: u64,
}

impl Expected {
    fn found(&self) {
        let _build = BUILD.write();
        fail::cfg(self.defect, "return").unwrap();
        let red = first_red(self.seeds);
        fail::remove(self.defect);
        let Some((outcome, report)) = red else {
            panic!("{} breaks nothing in {} seeds", self.defect, self.seeds);
        };
        let violated: Vec<_> = report.violated().collect();
        println!("{}: {violated:?} at seed {}", self.defect, outcome.plan.seed);
        let expected = |invariant: &Invariant| self.breaks.contains(invariant);
        let follows = |invariant: &Invariant| expected(invariant) || self.along.contains(invariant);
        assert!(
            violated.iter().any(expected) && violated.iter().all(follows),
            "{} breaks {violated:?}\n{}",
            self.defect,
            outcome.explain(&report)
        );
    }
}

#[test]
fn no_unique_seq() {
    Expected {
        defect: defect::NO_SEQ_INDEX,
        breaks: &[I2],
        // I3: whose slot another entry holds is refused, and is stored in it all the same. I10: who could do what is
        // folded from both.
        along: &[I1, I3, I4, I5, I6, I7, I8, I10],
        seeds: 200,
    }
    .found();
}

#[test]
fn no_idempotency() {
    Expected {
        defect: defect::NO_IDEMPOTENCY,
        breaks: &[I2],
        // I7: what is never found again is waited for by all that its connection sent behind it.
        along: &[I5, I7],
        seeds: 200,
    }
    .found();
}

#[test]
fn minority_writes() {
    Expected {
        defect: defect::MINORITY_WRITES,
        breaks: &[I1],
        along: &[I2, I4, I5, I6, I7, I8, I10],
        seeds: 200,
    }
    .found();
}

#[test]
fn the_counter_is_trusted() {
    Expected {
        defect: defect::COUNTER_TRUSTED,
        breaks: &[I6],
        along: &[I2, I4, I5, I7, I8, I10],
        seeds: 200,
    }
    .found();
}

#[test]
fn a_quiet_conversation_is_not_recovered() {
    Expected {
        defect: defect::QUIET_NOT_RECOVERED,
        breaks: &[I7],
        along: &[I10],
        seeds: 200,
    }
    .found();
}

#[test]
fn effects_are_not_guarded() {
    Expected {
        defect: defect::EFFECTS_UNGUARDED,
        breaks: &[I10],
        along: &[I7, I9],
        seeds: 200,
    }
    .found();
}

#[test]
fn edits_are_not_guarded() {
    Expected {
        defect: defect::EDITS_UNGUARDED,
        breaks: &[I7],
        along: &[],
        seeds: 600,
    }
    .found();
}

#[test]
fn membership_is_checked_at_enqueue() {
    Expected {
        defect: defect::MEMBERSHIP_AT_ENQUEUE,
        breaks: &[I10],
        along: &[I3],
        seeds: 200,
    }
    .found();
}

#[test]
fn missed_messages_are_not_made_up_for() {
    Expected {
        defect: defect::NO_RESYNC,
        breaks: &[I7],
        along: &[],
        // Further attempts make up for most of it.
        seeds: 1_000,
    }
    .found();
}
