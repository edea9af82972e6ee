//! Carries a plan's faults out, and takes them back.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use starling_check::Recorder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cluster::Cluster;
use crate::plan::{CutFrom, Fault, Plan};
use crate::workload::World;

/// How long a crash waits for what it is to interrupt.
const MIDWAY: Duration = Duration::from_millis(500);

/// What faults are done to.
#[derive(Clone)]
struct Target {
    plan: Arc<Plan>,
    cluster: Arc<Cluster>,
    world: Arc<World>,
}

/// Carries out all faults of the plan, each at its time; returns when the last is over.
pub(crate) async fn carry_out(
    plan: &Arc<Plan>,
    cluster: &Arc<Cluster>,
    world: &Arc<World>,
    recorder: &Arc<Recorder>,
) {
    let began = Instant::now();
    let mut faults = JoinSet::new();
    for (number, (at, fault)) in plan.faults.iter().cloned().enumerate() {
        let recorder = recorder.clone();
        let target = Target {
            plan: plan.clone(),
            cluster: cluster.clone(),
            world: world.clone(),
        };
        let rng = StdRng::seed_from_u64(plan.seed ^ (number as u64) << 32);
        faults.spawn(async move {
            sleep_until(began + at).await;
            let (name, detail) = (fault.name(), format!("{fault:?}"));
            recorder.fault_start(&name, Some(&detail));
            target.strike(fault, rng).await;
            recorder.fault_stop(&name, 1, None);
        });
    }
    while faults.join_next().await.is_some() {}
}

/// Takes everything back that faults may have left.
pub(crate) async fn heal(plan: &Plan, cluster: &Cluster) {
    cluster.store.set_reachable(true);
    cluster.store.clear_faults();
    cluster.coordination.set_reachable(true);
    cluster.coordination.lose_replies(0);
    cluster.coordination.drop_messages(0);
    cluster.set_pace(plan, 1);
    for place in 0..cluster.size() {
        if let Some(node) = cluster.node(place) {
            node.resume();
            node.ports.set_reachable(true);
        }
        cluster.start(place).await;
    }
}

impl Target {
    async fn strike(&self, fault: Fault, mut rng: StdRng) {
        let Self { plan, cluster, world } = self;
        let (store, coordination) = (&cluster.store, &cluster.coordination);
        let node = |place: usize| cluster.node(place % cluster.size());
        match fault {
            Fault::Crash { place, down } => self.crash(place % cluster.size(), down).await,
            Fault::CrashMidway { device, quiet, down } => self.crash_midway(device, quiet, down, rng).await,
            Fault::Stop { place, time } => {
                let Some(node) = node(place) else { return };
                node.stop();
                sleep(time).await;
                node.resume();
            }
            Fault::CutOff { place, from, time } => {
                let Some(node) = node(place) else { return };
                let set_reachable = |reachable| match from {
                    CutFrom::Store => node.ports.store.set_reachable(reachable),
                    CutFrom::Coordination => node.ports.coordination.set_reachable(reachable),
                    CutFrom::Both => node.ports.set_reachable(reachable),
                };
                set_reachable(false);
                sleep(time).await;
                set_reachable(true);
            }
            Fault::CoordinationAway { time } => {
                coordination.set_reachable(false);
                sleep(time).await;
                coordination.set_reachable(true);
            }
            Fault::Flush => coordination.flush(),
            Fault::BackInTime { age } => {
                let old = coordination.snapshot();
                sleep(age).await;
                coordination.restore(&old);
            }
            Fault::CounterSet { conversation, by } => {
                let id = world.conversation(conversation);
                let counter = coordination.marks(&id).0.unwrap_or_default();
                coordination.set_counter(&id, counter.saturating_add_signed(by));
            }
            Fault::MarksSetBack { conversation, by } => {
                let id = world.conversation(conversation);
                let head = coordination.marks(&id).1.unwrap_or_default();
                coordination.set_marks(&id, head.saturating_add_signed(by));
            }
            Fault::LeasesExpire { times } => {
                for _ in 0..times {
                    store
                        .conversation_ids()
                        .iter()
                        .for_each(|id| coordination.expire_lease(id));
                    sleep(rng.random_range(Duration::ZERO..4 * plan.pace)).await;
                }
            }
            Fault::LivenessExpires { place } => {
                let listening = node(place).and_then(|node| node.ports.coordination.listening());
                if let Some(incarnation) = listening {
                    coordination.expire_liveness(&incarnation);
                }
            }
            Fault::CoordinationSilent { replies } => coordination.lose_replies(replies),
            Fault::MessagesLost { count } => coordination.drop_messages(count),
            Fault::PubSubKilled => {
                for place in 0..cluster.size() {
                    let Some(node) = node(place) else { continue };
                    node.ports.coordination.cut_pubsub();
                    sleep(rng.random_range(Duration::ZERO..Duration::from_millis(300))).await;
                    node.ports.coordination.mend_pubsub();
                }
            }
            Fault::StoreAway { time } => {
                store.set_reachable(false);
                sleep(time).await;
                store.set_reachable(true);
            }
            Fault::StoreSilent { replies } => store.lose_replies(replies),
            Fault::Inserts { faults } => store.fail_inserts(faults),
            Fault::HalfApplied { applies, reads } => {
                (0..applies).for_each(|after| store.cut_apply(after));
                store.fail_reads(reads);
            }
            Fault::AppliedLate { times } => times.into_iter().for_each(|time| store.delay_apply(time)),
            Fault::MajorityStalls { time } => {
                store.stall_majority(time);
                sleep(time).await;
            }
            Fault::FailOver {
                stalled,
                kept,
                behind,
                catch_up,
                election,
            } => {
                store.stall_majority(stalled + election);
                sleep(stalled).await;
                store.set_reachable(false);
                store.fail_over(kept, behind, election + catch_up);
                sleep(election).await;
                store.set_reachable(true);
            }
            Fault::Slow { factor, time } => {
                cluster.set_pace(plan, factor);
                sleep(time).await;
                cluster.set_pace(plan, 1);
            }
            Fault::Storm => world.devices.iter().for_each(|device| device.cut()),
            Fault::ClientCut { device } => world.device(device).cut(),
            Fault::ClientDeaf { device, time } => world.device(device).deafen(time),
        }
    }

    async fn crash(&self, place: usize, down: Duration) {
        self.cluster.kill(place);
        sleep(down).await;
        self.cluster.start(place).await;
    }

    /// Kills the node by which something is appended, right after that.
    async fn crash_midway(&self, device: usize, quiet: bool, down: Duration, mut rng: StdRng) {
        let (device, conversation) = if device.is_multiple_of(3) {
            let (device, conversation) = (self.world.device(device).clone(), self.world.conversation(device));
            device.ask(crate::asking::Ask::Say(conversation.clone()));
            (device, conversation)
        } else {
            self.world.change(quiet, &mut rng)
        };
        let before = self.cluster.store.primary_head_seq(&conversation);
        let late = Instant::now() + MIDWAY;
        while self.cluster.store.primary_head_seq(&conversation) == before && Instant::now() < late {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(rng.random_range(Duration::ZERO..self.plan.pace * 2)).await;
        if let Some(place) = device.view().place {
            self.crash(place, down).await;
        }
    }
}
