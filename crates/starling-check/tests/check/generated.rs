//! Histories that are right must be found right, whatever happened in them.

use starling_check::history::{Via, What};
use starling_check::{Figures, check};

use crate::model;

#[test]
fn correct_histories_are_found_correct() {
    let mut sum = Figures::default();
    let mut faults = 0;
    let mut recovered = 0;
    for seed in 0..60 {
        let run = model::run(seed);
        let report = check(&run.history, &run.store);
        assert!(
            !report.is_violated(),
            "seed {seed}\n{}{}",
            report.excerpts(),
            report.table()
        );
        let figures = report.figures;
        let [lost, doubled, gaps, order] = [
            figures.lost,
            figures.doubled,
            figures.gaps,
            figures.order_violations,
        ];
        assert_eq!([lost, doubled, gaps, order], [0; 4], "seed {seed}");
        assert!(figures.finished >= 8, "seed {seed}");
        sum.sends_ok += figures.sends_ok;
        sum.sends_fail += figures.sends_fail;
        sum.sends_info += figures.sends_info;
        sum.reconnects += figures.reconnects;
        sum.deliveries += figures.deliveries;
        faults += report.faults.len();
        recovered += report.recovery.all.count();
        assert_eq!(report.unstruck().count(), 0);
    }
    // The model is worth nothing if little happens in it.
    assert!(sum.sends_ok > 60 * 150, "{sum:?}");
    assert!(sum.sends_fail > 60 * 20, "{sum:?}");
    assert!(sum.sends_info > 60, "{sum:?}");
    assert!(sum.reconnects > 60 * 20, "{sum:?}");
    assert!(sum.deliveries > 60 * 1_000, "{sum:?}");

    assert_eq!(faults, 120);
    assert!(recovered > 300, "{recovered}");
}

#[test]
fn the_model_makes_what_is_hard_to_judge() {
    let (mut retries, mut by_sync, mut by_history, mut errors) = (0, 0, 0, 0);
    for seed in 0..10 {
        for record in model::run(seed).history {
            match record.what {
                What::Sent { retry: true, .. } => retries += 1,
                What::Entry { via: Via::Sync, .. } => by_sync += 1,
                What::Entry {
                    via: Via::History, ..
                } => by_history += 1,
                What::Answered { code: Some(_), .. } => errors += 1,
                _ => {}
            }
        }
    }
    for (what, count) in [
        ("retries", retries),
        ("entries by sync", by_sync),
        ("entries by history", by_history),
        ("errors", errors),
    ] {
        assert!(count > 100, "{what}: {count}");
    }
}
