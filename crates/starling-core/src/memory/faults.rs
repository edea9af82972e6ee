//! What can go wrong between a node and a service.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;

use crate::ports::Unavailable;

/// How long something stays on its way at most after its sender has died.
const LINGER: Duration = Duration::from_secs(2);

/// How long a call takes. It takes effect somewhere in between, so that a caller who gives up early may or may
/// not have had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// Calls return without yielding.
    None,
    /// Every call takes this long and takes effect half way.
    Fixed(Duration),
    /// Every call takes between `min` and `max`, and takes effect at a point that is drawn as well. The same seed
    /// gives the same series.
    Jitter {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
        /// Of the series.
        seed: u64,
    },
}

/// What becomes of one insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertFault {
    /// Nothing unusual: lets one insert pass before the next fault in the list.
    Pass,
    /// Stored as far as the unique keys allow; the reply is lost.
    UnknownStored,
    /// Not stored, and never will be.
    UnknownLost,
    /// Unknown now; all of it lands this much later, as far as the unique keys then allow.
    UnknownLate(Duration),
    /// Unknown now; the first so many entries land this much later, as far as the unique keys then allow.
    UnknownLatePrefix(usize, Duration),
    /// The first so many entries are stored; the reply is lost.
    UnknownPrefix(usize),
    /// The first so many entries are stored and readable, the rest follows this much later if its places are
    /// still free; the reply is true. An ordered insert is not atomic.
    Torn(usize, Duration),
}

/// What becomes of one `apply` that fails.
#[derive(Debug, Clone, Copy)]
pub(super) enum ApplyFault {
    /// It is carried out up to here.
    Cut(usize),
    /// It is carried out this much later.
    Late(Duration),
}

/// The way between one node and one service; what is set on the parent holds for all its children.
#[derive(Debug)]
pub struct Link {
    service: &'static str,
    parent: Option<Arc<Link>>,
    state: Mutex<LinkState>,
    resumed: Notify,
}

/// The process at the near end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    Running,
    Stopped,
    Dead,
}

/// What a process had asked when it died, and what arrives all the same.
pub(super) struct Late<'a>(&'a Link);

impl Late<'_> {
    /// How many of so many arrive.
    pub(super) fn part(&self, whole: usize) -> usize {
        self.0.with_series(|series| series.random_range(0..=whole))
    }
}

#[derive(Debug)]
struct LinkState {
    process: Process,
    reachable: bool,
    lost_replies: usize,
    latency: Latency,
    series: StdRng,
}

impl Link {
    pub(super) fn new(service: &'static str, parent: Option<Arc<Link>>) -> Self {
        let state = LinkState {
            process: Process::Running,
            reachable: true,
            lost_replies: 0,
            latency: Latency::None,
            series: StdRng::seed_from_u64(0),
        };
        Self {
            service,
            parent,
            state: Mutex::new(state),
            resumed: Notify::new(),
        }
    }

    pub(super) fn set_reachable(&self, reachable: bool) {
        self.state.lock().reachable = reachable;
    }

    pub(super) fn set_latency(&self, latency: Latency) {
        let mut state = self.state.lock();
        state.latency = latency;
        if let Latency::Jitter { seed, .. } = latency {
            state.series = StdRng::seed_from_u64(seed);
        }
    }

    pub(super) fn lose_replies(&self, count: usize) {
        self.state.lock().lost_replies = count;
    }

    pub(super) fn stop(&self) {
        self.state.lock().process = Process::Stopped;
    }

    pub(super) fn resume(&self) {
        self.state.lock().process = Process::Running;
        self.resumed.notify_waiters();
    }

    pub(super) fn kill(&self) {
        self.state.lock().process = Process::Dead;
    }

    pub(super) fn reachable(&self) -> bool {
        self.state.lock().reachable && self.parent.as_ref().is_none_or(|parent| parent.reachable())
    }

    /// Carries `operation` out at some point of the call's time, unless the service cannot be reached then.
    /// It is told whether it is late, since its process has died meanwhile.
    pub(super) async fn call<T>(
        &self,
        operation: impl FnOnce(Option<&Late<'_>>) -> T,
    ) -> Result<T, Unavailable> {
        self.runs().await;
        let (before, after) = self.delays();
        pause(before).await;
        let late = self.is_dead().then_some(Late(self));
        if late.is_some() {
            self.linger().await;
        }
        if !self.reachable() {
            pause(after).await;
            self.runs().await;
            return Err(self.unavailable("unreachable"));
        }
        let lost = self.takes_lost_reply();
        let outcome = operation(late.as_ref());
        pause(after).await;
        self.returned().await?;
        if lost {
            Err(self.unavailable("the reply was lost"))
        } else {
            Ok(outcome)
        }
    }

    /// A reply comes in, unless the way is cut by now.
    pub(super) async fn returned(&self) -> Result<(), Unavailable> {
        self.runs().await;
        if self.reachable() {
            Ok(())
        } else {
            Err(self.unavailable("the reply was lost"))
        }
    }

    /// Waits until the process runs; for ever if it is dead.
    async fn runs(&self) {
        loop {
            let resumed = self.resumed.notified();
            if self.state.lock().process == Process::Running {
                return;
            }
            resumed.await;
        }
    }

    fn is_dead(&self) -> bool {
        self.state.lock().process == Process::Dead
    }

    /// What a dead process has sent is lost, or stays on its way for a while.
    async fn linger(&self) {
        let lingers = self.with_series(|series| {
            series
                .random_bool(0.5)
                .then(|| series.random_range(Duration::ZERO..LINGER))
        });
        match lingers {
            Some(time) => pause(time).await,
            None => pending().await,
        }
    }

    /// The series that latency is drawn from.
    fn with_series<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        let mut state = self.state.lock();
        match &self.parent {
            Some(parent) if state.latency == Latency::None => {
                drop(state);
                parent.with_series(draw)
            }
            _ => draw(&mut state.series),
        }
    }

    pub(super) fn unavailable(&self, reason: &str) -> Unavailable {
        Unavailable::new(self.service, reason)
    }

    fn takes_lost_reply(&self) -> bool {
        let mut state = self.state.lock();
        if state.lost_replies > 0 {
            state.lost_replies -= 1;
            return true;
        }
        drop(state);
        self.parent
            .as_ref()
            .is_some_and(|parent| parent.takes_lost_reply())
    }

    /// The time before the effect and the time after it.
    fn delays(&self) -> (Duration, Duration) {
        let mut state = self.state.lock();
        match state.latency {
            Latency::None => {
                drop(state);
                self.parent
                    .as_ref()
                    .map_or_else(Default::default, |parent| parent.delays())
            }
            Latency::Fixed(whole) => (whole / 2, whole - whole / 2),
            Latency::Jitter { min, max, .. } => {
                let whole = state.series.random_range(min..=max.max(min));
                let before = state.series.random_range(Duration::ZERO..=whole);
                (before, whole - before)
            }
        }
    }
}

/// Faults that only the store has, in the order in which they come; those of the parent follow one's own.
#[derive(Debug, Default)]
pub(super) struct StoreFaults {
    parent: Option<Arc<StoreFaults>>,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    inserts: VecDeque<InsertFault>,
    reads: usize,
    applies: VecDeque<ApplyFault>,
}

impl StoreFaults {
    pub(super) fn under(parent: &Arc<StoreFaults>) -> Self {
        Self {
            parent: Some(Arc::clone(parent)),
            plan: Mutex::default(),
        }
    }

    pub(super) fn clear(&self) {
        *self.plan.lock() = Plan::default();
    }

    pub(super) fn add_inserts(&self, faults: impl IntoIterator<Item = InsertFault>) {
        self.plan.lock().inserts.extend(faults);
    }

    pub(super) fn set_reads(&self, count: usize) {
        self.plan.lock().reads = count;
    }

    pub(super) fn add_apply(&self, fault: ApplyFault) {
        self.plan.lock().applies.push_back(fault);
    }

    pub(super) fn take_insert(&self) -> InsertFault {
        self.take(&|plan| plan.inserts.pop_front())
            .unwrap_or(InsertFault::Pass)
    }

    /// Whether this read is to fail.
    pub(super) fn take_read(&self) -> bool {
        self.take(&|plan| {
            let fails = plan.reads > 0;
            plan.reads = plan.reads.saturating_sub(1);
            fails.then_some(())
        })
        .is_some()
    }

    /// What becomes of this `apply`, if it is to fail.
    pub(super) fn take_apply(&self) -> Option<ApplyFault> {
        self.take(&|plan| plan.applies.pop_front())
    }

    fn take<T>(&self, from: &dyn Fn(&mut Plan) -> Option<T>) -> Option<T> {
        let own = from(&mut self.plan.lock());
        own.or_else(|| self.parent.as_ref().and_then(|parent| parent.take(from)))
    }
}

/// Sleeps; does not even yield where there is nothing to wait for.
pub(super) async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
