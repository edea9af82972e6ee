//! Puts the invariants' findings together.

use std::collections::HashSet;

use crate::facts::Facts;
use crate::history::{Call, Record, Via, What};
use crate::invariants::{
    Invariant, i1_stored, i2_unique, i3_refused, i4_streams, i5_order, i6_logs, i7_convergence, i8_gaps,
    i9_marks, i10_members,
};
use crate::recovery;
use crate::report::{Figures, Report, Verdict};
use crate::store::StoreRecord;

/// Decides every invariant. Time and memory grow with the length of the history and of the store (but for looking
/// places up by bisection).
pub fn check(history: &[Record], store: &[StoreRecord]) -> Report {
    let facts = Facts::new(history, store);
    let (stored, lost) = i1_stored::check(&facts);
    let (streams, counts) = i4_streams::check(&facts);
    let order = i5_order::check(&facts);
    let (logs, voids) = i6_logs::check(&facts);
    let (gaps, readers) = i8_gaps::check(&facts);
    let (convergence, finished) = i7_convergence::check(&facts, &readers);

    let mut figures = count(&facts);
    figures.lost = lost;
    figures.doubled = counts.doubled;
    figures.gaps = counts.gaps;
    figures.order_violations = counts.out_of_order + order.count;
    figures.voids = voids;
    figures.finished = finished;

    let found = [
        stored,
        i2_unique::check(&facts),
        i3_refused::check(&facts),
        streams,
        order,
        logs,
        convergence,
        gaps,
        i9_marks::check(&facts),
        i10_members::check(&facts),
    ];
    let verdicts = Invariant::ALL
        .into_iter()
        .zip(found)
        .map(|(invariant, findings)| Verdict::new(invariant, findings, history, store))
        .collect();
    let faults = recovery::faults(&facts);
    Report {
        verdicts,
        figures,
        recovery: recovery::recovery(&facts, &faults),
        faults,
    }
}

fn count(facts: &Facts<'_>) -> Figures {
    let mut figures = Figures::default();
    let mut clients = HashSet::new();
    for record in facts.records {
        match &record.what {
            What::Connected { client, .. } => {
                if clients.insert(client.as_ref()) {
                    figures.clients += 1;
                } else {
                    figures.reconnects += 1;
                }
            }
            What::Entry {
                via: Via::Live | Via::Sync,
                ..
            } => figures.deliveries += 1,
            What::Invoke {
                call: Call::Send { .. },
                ..
            } => figures.sends_info += 1,
            _ => {}
        }
    }
    for send in facts.sends.iter().filter(|send| send.invoked.is_some()) {
        figures.sends_ok += u64::from(send.ok);
        figures.sends_fail += u64::from(!send.ok && send.failed.is_some());
    }
    // What has no outcome at the end is not known either.
    figures.sends_info = figures
        .sends_info
        .saturating_sub(figures.sends_ok + figures.sends_fail);
    figures
}
