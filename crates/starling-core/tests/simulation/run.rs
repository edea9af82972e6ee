//! One run: a plan is carried out on a cluster with clients at work, healed, left alone, and judged.

use std::sync::Arc;
use std::time::Duration;

use starling_check::history::Record;
use starling_check::store::{Governance, StoreRecord, StoredConversation, StoredMember};
use starling_check::{Recorder, Report, check};
use starling_core::memory::{MemoryStore, StoreCounts};
use starling_core::seed_thread;
use starling_protocol::{ConversationId, Entry, Profile, UserId};
use tokio::time::{Instant, sleep};

use crate::client::View;
use crate::cluster::Cluster;
use crate::faults::{carry_out, heal};
use crate::plan::Plan;
use crate::workload::World;

/// By then everyone has everything, with nobody's help.
const QUIESCENCE: Duration = Duration::from_secs(30);
/// By then nothing is on its way any more.
const LINGERING: Duration = Duration::from_secs(4);

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) plan: Arc<Plan>,
    pub(crate) history: Vec<Record>,
    pub(crate) store: Vec<StoreRecord>,
    pub(crate) counts: StoreCounts,
}

impl Outcome {
    /// The checker's judgement.
    pub(crate) fn report(&self) -> Report {
        check(&self.history, &self.store)
    }

    /// What to look at if the judgement is bad.
    pub(crate) fn explain(&self, report: &Report) -> String {
        let plan = &self.plan;
        format!("{plan}{}\n{}", report.excerpts(), report.table())
    }
}

/// Runs a seed. Nothing that happens depends on anything but the seed.
pub(crate) fn run(seed: u64) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let _seeded = seed_thread(seed);
        simulate(Arc::new(Plan::of(seed))).await
    })
}

async fn simulate(plan: Arc<Plan>) -> Outcome {
    let began = Instant::now();
    let recorder = Recorder::in_memory_with_clock(move || began.elapsed());
    let cluster = Arc::new(Cluster::new(&plan));
    for place in 0..cluster.size() {
        cluster.start(place).await;
    }
    let world = Arc::new(World::start(&plan, &cluster, &recorder).await);
    tokio::join!(world.load(&plan), carry_out(&plan, &cluster, &world, &recorder));
    heal(&plan, &cluster).await;
    recorder.healed();

    let healed = Instant::now();
    while healed.elapsed() < LINGERING || !(is_quiet(&cluster, &world) || healed.elapsed() > QUIESCENCE) {
        sleep(Duration::from_millis(50)).await;
    }
    for device in &world.devices {
        device.finish();
    }
    Outcome {
        plan,
        history: recorder.records(),
        store: stored(&cluster),
        counts: cluster.store.counts(),
    }
}

/// Whether nothing more is to be expected: every client is live, answered and up to date, and all is applied.
fn is_quiet(cluster: &Cluster, world: &World) -> bool {
    let store = &cluster.store;
    let views: Vec<_> = world
        .devices
        .iter()
        .map(|device| (&device.user, device.view()))
        .collect();
    let live = views.iter().all(|(_, view)| view.live && view.settled);
    live && store.conversation_ids().iter().all(|id| {
        let head = store.head_seq(id);
        let members = store.member_records(id);
        let is_member = |user: &UserId| {
            members
                .iter()
                .any(|member| member.user == *user && member.left.is_none())
        };
        let up_to_date =
            |(user, view): &(&UserId, View)| !is_member(user) || view.cursors.get(id) == Some(&head);
        store.record(id).is_some_and(|record| record.applied == head) && views.iter().all(up_to_date)
    })
}

fn stored(cluster: &Cluster) -> Vec<StoreRecord> {
    let store = &cluster.store;
    let mut records = Vec::new();
    for id in store.conversation_ids() {
        let entries = store.entries(&id);
        records.extend(
            entries
                .iter()
                .map(|entry| StoreRecord::Entry(Entry::clone(entry))),
        );
        let Some(record) = store.record(&id) else { continue };
        let members = store.member_records(&id).into_iter().map(|member| StoredMember {
            user: member.user,
            role: member.role,
            delivered: member.delivered,
            read: member.read,
            left: member.left,
        });
        records.push(StoreRecord::Conversation(StoredConversation {
            head: None,
            applied: Some(record.applied),
            members: members.collect(),
            governance: Some(governance(store, &id, record.profile())),
            id,
        }));
    }
    records
}

fn governance(store: &MemoryStore, id: &ConversationId, profile: Profile) -> Governance {
    let mut governance = Governance {
        profile,
        ..Governance::default()
    };
    for sanction in store.sanction_records(id) {
        if sanction.banned {
            governance.banned.insert(sanction.user.clone());
        }
        if let Some(until) = sanction.muted_until {
            governance.muted.insert(sanction.user, until);
        }
    }
    let invites = store.invite_records(id).into_iter();
    governance.invites = invites.map(|invite| (invite.id, invite.uses)).collect();
    governance
}
