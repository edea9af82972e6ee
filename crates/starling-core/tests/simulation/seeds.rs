//! Many runs, one seed each, on as many threads as there are processors.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

use parking_lot::{Mutex, RwLock};
use starling_check::Report;

use crate::coverage::Coverage;
use crate::run::{Outcome, run};

/// Seeds of the test command. `STARLING_SEEDS` asks for more, `STARLING_SEED` for one.
const SEEDS: u64 = 300;
/// Failures that are explained; the others are only named.
const EXPLAINED: usize = 2;

/// Fail points are the process's: runs of the engine as it is read this, a run with a defect writes it.
pub(crate) static BUILD: RwLock<()> = RwLock::new(());

/// Runs seeds in their order until `goes_on` says `false`. Those that began before are still finished.
fn run_all(seeds: &[u64], goes_on: impl Fn(Outcome, Report) -> bool + Sync) {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads.min(seeds.len()) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(*seed);
                    let report = outcome.report();
                    if !goes_on(outcome, report) {
                        next.store(seeds.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// The lowest seed that violates anything, among the first so many.
pub(crate) fn first_red(seeds: u64) -> Option<(Outcome, Report)> {
    let seeds: Vec<u64> = (1..=seeds).collect();
    let red = Mutex::new(BTreeMap::new());
    run_all(&seeds, |outcome, report| {
        let sound = !report.is_violated();
        if !sound {
            red.lock().insert(outcome.plan.seed, (outcome, report));
        }
        sound
    });
    red.into_inner().into_values().next()
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {text}")),
    )
}

fn lines(outcome: &Outcome) -> [Vec<String>; 2] {
    let history = outcome.history.iter().map(serde_json::to_string);
    let store = outcome.store.iter().map(serde_json::to_string);
    [
        history.collect::<Result<_, _>>().unwrap(),
        store.collect::<Result<_, _>>().unwrap(),
    ]
}

#[test]
fn seeds_hold_every_invariant() {
    let _build = BUILD.read();
    if let Some(seed) = number("STARLING_SEED") {
        return replay(seed);
    }
    let seeds: Vec<u64> = (1..=number("STARLING_SEEDS").unwrap_or(SEEDS)).collect();
    let coverage = Coverage::start();
    let failed = Mutex::new(BTreeMap::new());
    run_all(&seeds, |outcome, report| {
        coverage.add(&outcome, &report);
        if report.is_violated() {
            failed.lock().insert(outcome.plan.seed, outcome.explain(&report));
        }
        true
    });
    let happened = coverage.end();
    println!("{happened}");
    let failed = failed.into_inner();
    let again = |(seed, text): (&u64, &String)| format!("{text}\nagain: STARLING_SEED={seed}\n");
    let explained: String = failed.iter().map(again).take(EXPLAINED).collect();
    assert!(
        failed.is_empty(),
        "{} of {} seeds: {:?}\n{explained}",
        failed.len(),
        seeds.len(),
        failed.keys()
    );
    if seeds.len() >= SEEDS as usize {
        assert_eq!(happened.missing(), Vec::<&str>::new(), "the runs are too tame");
    }
}

/// Runs one seed, and writes its history to where `starling-check` can read it.
fn replay(seed: u64) {
    let outcome = run(seed);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("simulation-{seed}"));
    fs::create_dir_all(&directory).unwrap();
    for (name, lines) in ["history.jsonl", "store.jsonl"].iter().zip(lines(&outcome)) {
        fs::write(directory.join(name), lines.join("\n") + "\n").unwrap();
    }
    let report = outcome.report();
    println!("{}\nhistory: {}", outcome.explain(&report), directory.display());
    assert!(
        !report.is_violated(),
        "seed {seed} violates {:?}",
        report.violated().collect::<Vec<_>>()
    );
}

/// Byte for byte.
#[test]
fn a_seed_repeats_itself() {
    let _build = BUILD.read();
    for seed in [1, 86, 150, 275] {
        let [first, second] = [run(seed), run(seed)].map(|outcome| lines(&outcome).concat());
        let differs = first.iter().zip(&second).position(|(a, b)| a != b);
        assert_eq!(
            differs.map(|line| (&first[line], &second[line])),
            None,
            "seed {seed}"
        );
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}
