//! What the runs went through, so that no simulation is vacuous: the engine's own counters and what the outcomes say,
//! summed up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use parking_lot::Mutex;
use starling_check::Report;
use starling_check::history::What;
use starling_check::store::StoreRecord;
use starling_protocol::Body;

use crate::plan::Fault;
use crate::run::Outcome;

/// What must have happened at least once in some hundreds of runs, besides a fault of each kind.
const MUST: &[&str] = &[
    "alterations",
    "bans",
    "ends of bans",
    "ends of invites",
    "ends of mutes",
    "entries landed late",
    "entries rolled back",
    "inserts that collided",
    "invites",
    "joins by invite",
    "marks told",
    "mutes",
    "profiles",
    "read marks",
    "reconnects",
    "roles",
    "sends refused",
    "sends stored",
    "starling_dead_nodes_removed_total",
    "starling_fenced_batches_total",
    "starling_gap_fills_total",
    "starling_inserts_unknown_total",
    "starling_leaseless_turns_total",
    "starling_leases_lost_total",
    "starling_liveness_lapsed_total",
    "starling_operations_given_up_total",
    "starling_recoveries_total",
    "starling_rotation_recoveries_total",
    "starling_slow_consumers_total",
];

/// The counters of this process.
static COUNTERS: LazyLock<Counters> = LazyLock::new(Counters::default);

/// What happens, counted.
pub(crate) struct Coverage {
    /// What the counters said at the start.
    before: BTreeMap<String, u64>,
    runs: Mutex<BTreeMap<String, u64>>,
}

impl Coverage {
    /// Starts counting. Runs of other tests in this process count, too, as far as they run at the same time.
    pub(crate) fn start() -> Self {
        let _ = metrics::set_global_recorder(&*COUNTERS);
        Self {
            before: COUNTERS.values(),
            runs: Mutex::default(),
        }
    }

    /// Counts what came of a run.
    pub(crate) fn add(&self, outcome: &Outcome, report: &Report) {
        let (counts, figures) = (outcome.counts, report.figures);
        let mut runs = self.runs.lock();
        let mut add = |name: &str, n: u64| *runs.entry(name.to_owned()).or_default() += n;
        let alterations = outcome.store.iter().filter(|record| match record {
            StoreRecord::Entry(entry) => entry.body.target().is_some(),
            StoreRecord::Conversation(_) => false,
        });
        add("alterations", alterations.count() as u64);
        for record in &outcome.store {
            let StoreRecord::Entry(entry) = record else {
                continue;
            };
            match entry.body {
                Body::RoleChanged { .. } => add("roles", 1),
                Body::Banned { .. } => add("bans", 1),
                Body::Unbanned { .. } => add("ends of bans", 1),
                Body::Muted { .. } => add("mutes", 1),
                Body::Unmuted { .. } => add("ends of mutes", 1),
                Body::Updated(_) => add("profiles", 1),
                Body::Invited { .. } => add("invites", 1),
                Body::Revoked { .. } => add("ends of invites", 1),
                Body::Joined { invite: Some(_), .. } => add("joins by invite", 1),
                _ => {}
            }
        }
        for record in &outcome.history {
            match record.what {
                What::Receipts { .. } => add("marks told", 1),
                What::Marked { read: true, .. } => add("read marks", 1),
                _ => {}
            }
        }
        add("entries landed late", counts.late as u64);
        add("entries rolled back", counts.rolled_back as u64);
        add("inserts that collided", counts.duplicates as u64);
        add("reconnects", figures.reconnects);
        add("sends refused", figures.sends_fail);
        add("sends stored", figures.sends_ok);
        for (_, fault) in &outcome.plan.faults {
            add(&fault.name(), 1);
        }
    }

    /// Ends counting.
    pub(crate) fn end(self) -> Happened {
        let mut happened = self.runs.into_inner();
        for (name, n) in COUNTERS.values() {
            let before = self.before.get(&name).copied().unwrap_or_default();
            happened.insert(name, n - before);
        }
        Happened(happened)
    }
}

/// What happened, and how often.
pub(crate) struct Happened(BTreeMap<String, u64>);

impl Happened {
    /// What should have happened and did not.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let must = MUST.iter().chain(Fault::KINDS).copied();
        must.filter(|name| self.0.get(*name).is_none_or(|n| *n == 0))
            .collect()
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(name, n)| writeln!(f, "{n:>10} {name}"))
    }
}

#[derive(Default)]
struct Counters(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Counters {
    fn values(&self) -> BTreeMap<String, u64> {
        let counters = self.0.lock();
        let value = |counter: &Arc<AtomicU64>| counter.load(Ordering::Relaxed);
        counters
            .iter()
            .map(|(name, counter)| (name.clone(), value(counter)))
            .collect()
    }
}

impl metrics::Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.0.lock();
        let counter = counters.entry(key.name().to_owned()).or_default();
        Counter::from_arc(Arc::clone(counter))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
