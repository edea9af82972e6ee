//! What is done to a cluster in one run: drawn from the seed before the run begins, and printed if it fails.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use starling_core::memory::InsertFault;

use crate::cluster::LEASE;

/// A run's plan.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    pub(crate) users: usize,
    /// How long a call to coordination takes at most.
    pub(crate) pace: Duration,
    /// How long the clients go on asking for things.
    pub(crate) load: Duration,
    pub(crate) faults: Vec<(Duration, Fault)>,
}

/// What is done to the cluster. Places and conversations are numbers that are taken modulo how many there are.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// A node is killed, and another started in its place.
    Crash { place: usize, down: Duration },
    /// A node is killed while it appends what it was asked for then.
    CrashMidway {
        device: usize,
        quiet: bool,
        down: Duration,
    },
    /// A node is stopped, for up to three lease times.
    Stop { place: usize, time: Duration },
    /// A node is cut off from the store, from coordination, or from both.
    CutOff {
        place: usize,
        from: CutFrom,
        time: Duration,
    },
    /// Coordination is away.
    CoordinationAway { time: Duration },
    /// Coordination loses all that it holds.
    Flush,
    /// Coordination falls back on what it held a while ago.
    BackInTime { age: Duration },
    /// A conversation's counter is set ahead or back.
    CounterSet { conversation: usize, by: i64 },
    /// Counter and committed head are set back to the same older value.
    MarksSetBack { conversation: usize, by: i64 },
    /// All leases end, again and again.
    LeasesExpire { times: usize },
    /// A node's liveness ends.
    LivenessExpires { place: usize },
    /// Coordination carries out commands but does not answer.
    CoordinationSilent { replies: usize },
    /// Messages between nodes vanish.
    MessagesLost { count: usize },
    /// Nodes' subscriptions break, one after the other.
    PubSubKilled,
    /// The store is away.
    StoreAway { time: Duration },
    /// The store carries out commands but does not answer.
    StoreSilent { replies: usize },
    /// Inserts end as these say.
    Inserts { faults: Vec<InsertFault> },
    /// Updates of the directory break off half-way, and reads fail.
    HalfApplied { applies: usize, reads: usize },
    /// Updates of the directory seem to fail, and are made later.
    AppliedLate { times: Vec<Duration> },
    /// Secondaries take nothing in.
    MajorityStalls { time: Duration },
    /// A secondary takes over, after an election without a primary.
    FailOver {
        stalled: Duration,
        kept: usize,
        behind: usize,
        catch_up: Duration,
        election: Duration,
    },
    /// Everything takes several times as long.
    Slow { factor: u32, time: Duration },
    /// All connections break at once.
    Storm,
    /// A client's connection breaks.
    ClientCut { device: usize },
    /// A client does not read what it is sent.
    ClientDeaf { device: usize, time: Duration },
}

/// What a node is cut off from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CutFrom {
    Store,
    Coordination,
    Both,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let load = Duration::from_secs(8);
        let count = rng.random_range(6..=14);
        let mut faults: Vec<_> = (0..count)
            .map(|_| {
                let at = rng.random_range(Duration::from_millis(300)..load - Duration::from_millis(500));
                (at, Fault::draw(&mut rng))
            })
            .collect();
        faults.sort_by_key(|(at, _)| *at);
        Self {
            seed,
            nodes: rng.random_range(2..=3),
            users: rng.random_range(4..=6),
            pace: ms(*[2, 6, 20].choose(&mut rng).unwrap_or(&6)),
            load,
            faults,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            nodes,
            users,
            pace,
            ..
        } = self;
        writeln!(
            f,
            "seed {seed}: {nodes} nodes, {users} users, calls of up to {pace:?}"
        )?;
        for (at, fault) in &self.faults {
            writeln!(f, "  {at:>9.3?} {fault:?}")?;
        }
        Ok(())
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Fault {
    /// The names of all kinds.
    pub(crate) const KINDS: &[&str] = &[
        "Crash",
        "CrashMidway",
        "Stop",
        "CutOff",
        "CoordinationAway",
        "Flush",
        "BackInTime",
        "CounterSet",
        "MarksSetBack",
        "LeasesExpire",
        "LivenessExpires",
        "CoordinationSilent",
        "MessagesLost",
        "PubSubKilled",
        "StoreAway",
        "StoreSilent",
        "Inserts",
        "HalfApplied",
        "AppliedLate",
        "MajorityStalls",
        "FailOver",
        "Slow",
        "Storm",
        "ClientCut",
        "ClientDeaf",
    ];

    /// The name of its kind.
    pub(crate) fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split(' ').next().unwrap_or_default().to_owned()
    }

    fn draw(rng: &mut StdRng) -> Self {
        let place = rng.random_range(0..6);
        let device = rng.random_range(0..60);
        let conversation = rng.random_range(0..4);
        let time = rng.random_range(ms(300)..ms(2_500));
        match rng.random_range(0..27) {
            0 => Self::Crash { place, down: time },
            1..=3 => Self::CrashMidway {
                device,
                quiet: rng.random_bool(0.6),
                down: time,
            },
            4 => Self::Stop {
                place,
                time: rng.random_range(LEASE..=LEASE * 3),
            },
            5 => Self::Stop {
                place,
                time: rng.random_range(ms(30)..LEASE),
            },
            6 => Self::CutOff {
                place,
                from: *[CutFrom::Store, CutFrom::Coordination, CutFrom::Both]
                    .choose(rng)
                    .unwrap_or(&CutFrom::Both),
                time,
            },
            7 => Self::CoordinationAway { time },
            8 => Self::Flush,
            9 => Self::BackInTime { age: time },
            10 => Self::CounterSet {
                conversation,
                by: rng.random_range(-12..=12),
            },
            11 => Self::MarksSetBack {
                conversation,
                by: rng.random_range(-12..=-1),
            },
            12 => Self::LeasesExpire {
                times: rng.random_range(1..20),
            },
            13 => Self::LivenessExpires { place },
            14 => Self::CoordinationSilent {
                replies: rng.random_range(1..5),
            },
            15 => Self::MessagesLost {
                count: rng.random_range(1..40),
            },
            16 => Self::PubSubKilled,
            17 => Self::StoreAway { time },
            18 => Self::StoreSilent {
                replies: rng.random_range(1..4),
            },
            19 | 20 => Self::Inserts {
                faults: (0..rng.random_range(1..5)).map(|_| draw_insert(rng)).collect(),
            },
            21 => Self::HalfApplied {
                applies: rng.random_range(0..3),
                reads: rng.random_range(0..3),
            },
            26 => Self::AppliedLate {
                times: (0..rng.random_range(1..4))
                    .map(|_| rng.random_range(ms(100)..ms(2_500)))
                    .collect(),
            },
            22 => Self::FailOver {
                stalled: rng.random_range(ms(0)..ms(400)),
                kept: rng.random_range(0..4),
                behind: rng.random_range(0..12),
                catch_up: rng.random_range(ms(0)..ms(600)),
                election: rng.random_range(ms(0)..ms(1_500)),
            },
            23 => match rng.random_bool(0.5) {
                true => Self::MajorityStalls { time },
                false => Self::Slow {
                    factor: rng.random_range(3..10),
                    time,
                },
            },
            24 => match rng.random_bool(0.5) {
                true => Self::Storm,
                false => Self::ClientCut { device },
            },
            _ => Self::ClientDeaf { device, time },
        }
    }
}

fn draw_insert(rng: &mut StdRng) -> InsertFault {
    let late = rng.random_range(ms(1)..ms(1_500));
    let count = rng.random_range(0..4);
    match rng.random_range(0..7) {
        0 => InsertFault::Pass,
        1 => InsertFault::UnknownStored,
        2 => InsertFault::UnknownLost,
        3 => InsertFault::UnknownLate(late),
        4 => InsertFault::UnknownLatePrefix(count, late),
        5 => InsertFault::UnknownPrefix(count),
        _ => InsertFault::Torn(count, late / 8),
    }
}
