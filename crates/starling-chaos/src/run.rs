//! One run: the cluster, the load, the plan, the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use starling_check::Recorder;
use tokio::time::{Instant, sleep, timeout};

use crate::faults;
use crate::load::{Cast, Talk};
use crate::plan::Plan;
use crate::settle::{heal, settle};
use crate::stage::{Stage, Strike};
use crate::step::Step;
use crate::topology::Topology;
use crate::verdict::{self, Verdict};

/// Before the first fault.
const BEGINNING: Duration = Duration::from_secs(2);
/// At most so long what has piled up during a fault is worked off before the next.
const CALM: Duration = Duration::from_secs(6);
/// For one strike, its own healing included.
const PATIENCE: Duration = Duration::from_secs(120);
/// For whoever is in the middle of something when the load ends.
const STOPPING: Duration = Duration::from_secs(30);
/// From a strike's end until every conversation acknowledges again.
const RECOVERY: Duration = Duration::from_secs(60);

/// What must be stored in a run with all faults, each kind at least so often. Who joins by an invite is `accepted`.
const MIX: [&str; 15] = [
    "message",
    "edited",
    "deleted",
    "reacted",
    "joined",
    "left",
    "accepted",
    "role_changed",
    "banned",
    "unbanned",
    "muted",
    "unmuted",
    "updated",
    "invited",
    "revoked",
];
const DOZENS: usize = 24;

/// What a run is to be like.
#[derive(Clone, Debug)]
pub struct Run {
    /// Where everything about it goes.
    pub dir: PathBuf,
    /// The node, built with fail points.
    pub binary: PathBuf,
    /// Which faults strike.
    pub plan: Plan,
    /// Fail points in force on every node: planted defects.
    pub fail_points: Option<String>,
    /// How many sends must be acknowledged; what is proportionate to the time, if not given.
    pub acknowledged: Option<u64>,
}

impl Run {
    /// Does it: starts everything, strikes, heals, checks. What is found to be wrong with Starling is in the
    /// verdict.
    ///
    /// # Errors
    /// If the run itself could not be carried out.
    pub async fn carry_out(&self) -> Result<Verdict> {
        let began = Instant::now();
        self.prepare()?;
        let name = self
            .dir
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let topology = Topology::start(&format!("chaos-{name}"), &self.binary, self.fail_points.clone())
            .await
            .context("the cluster did not start")?;
        let recorder = Recorder::create(&self.dir.join("history.jsonl"))?;
        let cast = Arc::new(
            Cast::assemble(&topology, &recorder)
                .await
                .context("the load did not start")?,
        );
        println!(
            "cluster and load are up after {:.0} s",
            began.elapsed().as_secs_f64()
        );
        let stage = Stage {
            topology,
            cast,
            recorder,
        };
        let ended = self.play(&stage).await;
        // The cluster's own files go with it.
        copy_logs(&stage.topology.dir().join("logs"), &self.dir.join("logs"))?;
        let problems = ended?;
        drop(stage);
        println!("the run took {:.0} s; checking", began.elapsed().as_secs_f64());
        verdict::reach(&self.dir, problems)
    }

    fn prepare(&self) -> Result<()> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot clear {}", self.dir.display()));
            }
            _ => {}
        }
        fs::create_dir_all(&self.dir)?;
        self.plan.write(&self.dir.join("plan.json"))?;
        println!(
            "seed {}, plan in {}:",
            self.plan.seed,
            self.dir.join("plan.json").display()
        );
        for (number, step) in self.plan.steps.iter().enumerate() {
            let where_to = if step.all {
                "all nodes".to_owned()
            } else {
                format!("node{}", step.node + 1)
            };
            println!("  {:2}. {} ({where_to}, {})", number + 1, step.fault, step.draw);
        }
        Ok(())
    }

    /// The load with the strikes, and the quiet end. Returns what went wrong that is not for the checker to find.
    async fn play(&self, stage: &Stage) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let talk = Talk::start(&stage.cast, self.plan.seed);
        let began = Instant::now();
        sleep(BEGINNING).await;
        for (number, step) in self.plan.steps.iter().enumerate() {
            let title = format!("{:2}/{} {}", number + 1, self.plan.steps.len(), step.fault);
            match strike(stage, step).await {
                Ok(line) => println!("{title}: {line}"),
                Err(error) => {
                    println!("{title}: FAILED: {error:#}");
                    problems.push(format!("{}: {error:#}", step.fault));
                    heal(stage).await?;
                }
            }
            stage.cast.calm(CALM).await;
        }
        let loaded = began.elapsed();
        talk.stop(STOPPING).await;
        let settled = settle(stage, &self.dir).await?;
        problems.extend(settled.problems);
        let kinds = settled
            .kinds
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"));
        println!("stored: {}", kinds.collect::<Vec<_>>().join(", "));
        if self.plan.is_whole() {
            let count = |kind: &str| settled.kinds.get(kind).copied().unwrap_or_default();
            let rare = MIX.iter().filter(|kind| count(kind) < DOZENS);
            problems
                .extend(rare.map(|kind| format!("only {} entries are {kind}, not {DOZENS}", count(kind))));
        }
        let progress = &stage.cast.progress;
        let acknowledged = progress.acknowledged();
        let least = self.acknowledged.unwrap_or_else(|| proportionate(loaded));
        println!(
            "{acknowledged} sends acknowledged in {:.0} s of load (at least {least} are asked for), {} refused",
            loaded.as_secs_f64(),
            progress.refused(),
        );
        if acknowledged < least {
            problems.push(format!(
                "only {acknowledged} sends were acknowledged, not {least}"
            ));
        }
        Ok(problems)
    }
}

/// A quarter of what the load offers: some faults stop everything for many seconds.
fn proportionate(loaded: Duration) -> u64 {
    loaded.as_secs() * 60
}

/// Strikes, and waits until every conversation acknowledges what was sent after the strike's end.
async fn strike(stage: &Stage, step: &Step) -> Result<String> {
    let fault = faults::find(&step.fault).with_context(|| format!("there is no fault {}", step.fault))?;
    let strike = Strike::new(stage, step);
    let struck = timeout(PATIENCE, (fault.strike)(&strike))
        .await
        .map_err(|_| anyhow::anyhow!("was not over after {PATIENCE:?}"))
        .flatten();
    // Also where it failed: the history must not go on as if it still struck.
    let (count, detail) = match &struck {
        Ok(strikes) => (strikes.count, strikes.detail.clone()),
        Err(error) => (0, format!("failed: {error:#}")),
    };
    strike.begins();
    stage.recorder.fault_stop(&step.fault, count, Some(&detail));
    struck?;
    let lasted = strike.since().elapsed();
    let Some(recovered) = stage.cast.progress.recovered(Instant::now(), RECOVERY).await else {
        anyhow::bail!("not every conversation acknowledged within {RECOVERY:?} of its end; {detail}");
    };
    anyhow::ensure!(count > 0, "struck nothing: {detail}");
    Ok(format!(
        "{detail} (lasted {:.1} s, all conversations go on {:.1} s after)",
        lasted.as_secs_f64(),
        recovered.as_secs_f64()
    ))
}

fn copy_logs(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
