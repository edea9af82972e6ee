//! What is measured, in which order.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use crate::idle;
use crate::load::{Load, Outcome, Pace};
use crate::report::{Better, Report, System};
use crate::systems::{Entrance, Systems};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// How fast MongoDB itself takes documents
    Inserts,
    /// One conversation of 30 users who send as fast as they can
    Hot,
    /// 200 conversations of 3 users who send as fast as they can
    Groups,
    /// One conversation of 600 users, ten of whom send
    FanOut,
    /// How long deliveries take at 300 and at 1,000 messages a second
    Latency,
    /// 1, 10, 100 and 1,000 conversations of 3 users
    Growth,
    /// A conversation with 1,000 users who are there, and 9,000 who are not
    Channel,
    /// Memory of idle connections, and the time that a node needs to start
    Idle,
}

/// A whole measurement.
pub(crate) struct Plan {
    pub(crate) binary: PathBuf,
    pub(crate) runs: u32,
    pub(crate) measured: Duration,
    pub(crate) only: Vec<Case>,
    pub(crate) yardstick: bool,
}

const WARM_UP: Duration = Duration::from_millis(1_500);
const IDLE_CONNECTIONS: [usize; 2] = [5_000, 15_000];

impl Plan {
    pub(crate) async fn run(&self) -> Result<Report> {
        let mut report = Report::default();
        let mut systems = Systems::start(&self.binary, self.yardstick).await?;
        for run in 1..=self.runs {
            println!("run {run} of {}", self.runs);
            // One system after the other in each load, so that a noisy moment of the machine strikes all alike.
            self.inserts(&systems, &mut report).await?;
            // The other ways to Starling are shown once; what is compared is what runs differ in.
            let some = systems
                .all()
                .into_iter()
                .filter(|system| run == 1 || system.is_compared());
            let some: Vec<_> = some.collect();
            self.throughput(&mut systems, &some, &mut report).await?;
            self.latency(&mut systems, &some, &mut report).await?;
        }
        self.growth(&mut systems, &mut report).await?;
        self.channel(&mut systems, &mut report).await?;
        systems.stop().await?;
        if self.has(Case::Idle) {
            self.idle(&mut report).await?;
        }
        Ok(report)
    }

    fn has(&self, case: Case) -> bool {
        self.only.is_empty() || self.only.contains(&case)
    }

    fn load(&self, conversations: usize, users: usize, talkers: usize, pace: Pace) -> Load {
        Load {
            conversations,
            users,
            away: 0,
            talkers,
            pace,
            warm_up: WARM_UP,
            measured: self.measured,
        }
    }

    async fn inserts(&self, systems: &Systems, report: &mut Report) -> Result<()> {
        if !self.has(Case::Inserts) {
            return Ok(());
        }
        for (tasks, batch) in [(8, 1), (4, 100)] {
            let rate = systems
                .store()
                .insert_rate(tasks, batch, self.measured / 2)
                .await?;
            let name = format!("mongod alone, {tasks} at once in batches of {batch}: documents/s");
            println!("  {name} {rate:.0}");
            report.note(&name, Better::More(None), System::Starling, rate);
        }
        Ok(())
    }

    async fn throughput(&self, systems: &mut Systems, some: &[System], report: &mut Report) -> Result<()> {
        let cases = [
            (
                Case::Hot,
                "1 x 30 users, 16 in flight",
                self.load(1, 30, 30, Pace::InFlight(16)),
                Some(40.0),
                None,
            ),
            (
                Case::Groups,
                "200 x 3 users, 8 in flight",
                self.load(200, 3, 3, Pace::InFlight(8)),
                Some(20.0),
                None,
            ),
            (
                Case::FanOut,
                "1 x 600 users, 10 of them 4 in flight",
                self.load(1, 600, 10, Pace::InFlight(4)),
                None,
                Some(8.0),
            ),
        ];
        for (case, name, load, sends, deliveries) in cases {
            if !self.has(case) {
                continue;
            }
            for &system in some {
                let outcome = systems.run(system, Entrance::Nodes, load).await?;
                let [p50, p99] = outcome.acknowledgements.clone().at([0.5, 0.99]);
                tell(name, system, &outcome);
                report.note(
                    &format!("{name}: acknowledged/s"),
                    Better::More(sends),
                    system,
                    outcome.acknowledged,
                );
                report.note(
                    &format!("{name}: deliveries/s"),
                    Better::More(deliveries),
                    system,
                    outcome.delivered,
                );
                report.note(&format!("{name}: ack p50, ms"), Better::Less(None), system, p50);
                report.note(&format!("{name}: ack p99, ms"), Better::Less(None), system, p99);
            }
        }
        Ok(())
    }

    async fn latency(&self, systems: &mut Systems, some: &[System], report: &mut Report) -> Result<()> {
        if !self.has(Case::Latency) {
            return Ok(());
        }
        for (rate, goal) in [(300, None), (1_000, Some(15.0))] {
            for &system in some {
                let has_a_way_of_its_own = !system.is_compared() && system != System::Standalone;
                // The yardstick cannot keep up with more, as the throughput above shows.
                if has_a_way_of_its_own || (system == System::Yardstick && rate > 300) {
                    continue;
                }
                let load = self.load(100, 3, 3, Pace::Offered(rate));
                let outcome = systems.run(system, Entrance::Front, load).await?;
                let name = format!("100 x 3 users, {rate}/s offered");
                tell(&name, system, &outcome);
                let [p50, p99, p999] = outcome.deliveries.at([0.5, 0.99, 0.999]);
                report.note(
                    &format!("{name}: delivery p50, ms"),
                    Better::Less(None),
                    system,
                    p50,
                );
                report.note(
                    &format!("{name}: delivery p99, ms"),
                    Better::Less(goal),
                    system,
                    p99,
                );
                report.note(
                    &format!("{name}: delivery p99.9, ms"),
                    Better::Less(None),
                    system,
                    p999,
                );
            }
        }
        Ok(())
    }

    async fn growth(&self, systems: &mut Systems, report: &mut Report) -> Result<()> {
        if !self.has(Case::Growth) {
            return Ok(());
        }
        println!("growth");
        for conversations in [1, 10, 100, 1_000] {
            for system in systems.all() {
                if !system.is_compared() {
                    continue;
                }
                // With all of 1,000 conversations at 8, the yardstick is not done within any sensible time.
                let in_flight = if conversations > 100 { 1 } else { 8 };
                let load = self.load(conversations, 3, 3, Pace::InFlight(in_flight));
                let outcome = systems.run(system, Entrance::Nodes, load).await?;
                let name = format!("{conversations} x 3 users, {in_flight} in flight: acknowledged/s");
                tell(&name, system, &outcome);
                report.note(&name, Better::More(None), system, outcome.acknowledged);
            }
        }
        Ok(())
    }

    /// That members who are away cost nothing is seen by comparison.
    async fn channel(&self, systems: &mut Systems, report: &mut Report) -> Result<()> {
        if !self.has(Case::Channel) {
            return Ok(());
        }
        println!("channel");
        for away in [0, 9_000] {
            let load = Load {
                away,
                ..self.load(1, 1_000, 10, Pace::Offered(20))
            };
            let system = System::Starling;
            let outcome = systems.run(system, Entrance::Front, load).await?;
            let name = format!("1 x 1000 users and {away} away, 20/s offered");
            tell(&name, system, &outcome);
            let [p50, p99] = outcome.deliveries.at([0.5, 0.99]);
            report.note(
                &format!("{name}: delivery p50, ms"),
                Better::Less(None),
                system,
                p50,
            );
            report.note(
                &format!("{name}: delivery p99, ms"),
                Better::Less(None),
                system,
                p99,
            );
            let megabytes = systems.memory()? as f64 / 1e6;
            report.note(
                &format!("{name}: MB of RssAnon of a node"),
                Better::Less(None),
                system,
                megabytes,
            );
        }
        Ok(())
    }

    async fn idle(&self, report: &mut Report) -> Result<()> {
        println!("idle connections");
        let idle = idle::measure(&self.binary, &IDLE_CONNECTIONS).await?;
        for (connections, bytes) in idle.per_connection {
            let name = format!("{connections} idle connections on a node: bytes of RssAnon each");
            println!("  {name} {bytes:.0}");
            report.note(&name, Better::Less(Some(10_000.0)), System::Starling, bytes);
        }
        let fewer = &IDLE_CONNECTIONS[..1];
        for (connections, bytes) in idle::measure_standalone(&self.binary, fewer).await? {
            let name = format!("{connections} idle connections on a node: bytes of RssAnon each");
            println!("  {name}, {}: {bytes:.0}", System::Standalone.name());
            report.note(&name, Better::Less(Some(10_000.0)), System::Standalone, bytes);
        }
        for (connections, bytes) in idle::measure_socketio(&self.binary, &IDLE_CONNECTIONS).await? {
            let name = format!("{connections} idle Socket.IO clients on a node: bytes of RssAnon each");
            println!("  {name} {bytes:.0}");
            report.note(
                &name,
                Better::Less(Some(25_000.0)),
                System::StarlingSocketIo,
                bytes,
            );
        }
        let start_up = idle.start_up.as_secs_f64() * 1e3;
        report.note(
            "a node is ready after, ms",
            Better::Less(None),
            System::Starling,
            start_up,
        );
        Ok(())
    }
}

fn tell(name: &str, system: System, outcome: &Outcome) {
    let [ack50, ack99] = outcome.acknowledgements.clone().at([0.5, 0.99]);
    let [p50, p99] = outcome.deliveries.clone().at([0.5, 0.99]);
    println!(
        "  {name}, {}: {:.0} acknowledged/s, {:.0} deliveries/s, acknowledged p50 {ack50:.1} p99 {ack99:.1} ms, \
         delivered p50 {p50:.1} p99 {p99:.1} ms",
        system.name(),
        outcome.acknowledged,
        outcome.delivered,
    );
}
