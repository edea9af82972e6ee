//! `cargo xtask chaos`: faults on a cluster of real processes, and whether anything that was promised did not hold.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use starling_chaos::{FAULTS, Plan, Run, TRIALS, Trial};
use starling_cluster::{node_with_fail_points, raise_open_files, workspace_root};
use tokio::time::{Duration, Instant};

use crate::interrupt::Interrupt;
use crate::setup;

/// What a run of all faults must acknowledge at least.
const ACKNOWLEDGED: u64 = 20_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Strike every fault once, in an order that this number decides; with --fault, only the choices come from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Strike this fault only; may be repeated
    #[arg(long, value_name = "NAME")]
    fault: Vec<String>,
    /// Do a saved plan again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fault", "seed"])]
    plan: Option<PathBuf>,
    /// Go on for so many hours, with the next seed each time
    #[arg(long, value_name = "H", conflicts_with = "plan")]
    hours: Option<f64>,
    /// Plant a defect in the nodes: good is a run that finds it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["fault", "plan", "hours"])]
    defect: Option<String>,
    /// Plant one defect after the other
    #[arg(long, conflicts_with_all = ["fault", "plan", "hours", "defect"])]
    self_test: bool,
    /// List the faults and the defects
    #[arg(long, exclusive = true)]
    list: bool,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    if args.list {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    let mut interrupt = Interrupt::new()?;
    setup::run()?;
    raise_open_files()?;
    tokio::select! {
        good = Box::pin(carry_out(&args)) => Ok(if good? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        () = interrupt.received() => bail!("interrupted; nothing is left running"),
    }
}

fn list() {
    println!("faults:");
    for fault in FAULTS {
        println!("  {:<28} {}", fault.name, fault.about);
    }
    println!("defects:");
    for trial in TRIALS {
        println!("  {}", trial.defect);
    }
}

/// Whether all was as it should be.
async fn carry_out(args: &Args) -> Result<bool> {
    let binary = node_with_fail_points().await?;
    if let Some(defect) = &args.defect {
        let trial = Trial::of(defect).context("no such defect; `cargo xtask chaos --list` lists them")?;
        return Box::pin(is_found(trial, &binary, args.seed)).await;
    }
    if args.self_test {
        return Box::pin(self_test(&binary, args.seed)).await;
    }
    let end = Instant::now() + Duration::from_secs_f64(args.hours.unwrap_or_default() * 3_600.0);
    let mut bad = Vec::new();
    let mut seed = args.seed;
    loop {
        if !Box::pin(is_good(args, &binary, seed)).await? {
            bad.push(seed);
        }
        seed += 1;
        if Instant::now() >= end {
            break;
        }
    }
    if args.hours.is_some() {
        println!("{} runs; not good: {bad:?}", seed - args.seed);
    }
    Ok(bad.is_empty())
}

async fn is_good(args: &Args, binary: &Path, seed: u64) -> Result<bool> {
    let plan = match &args.plan {
        Some(plan) => Plan::read(plan)?,
        None if args.fault.is_empty() => Plan::of_all(seed),
        None => Plan::of(seed, &args.fault)?,
    };
    let name = match args.fault.as_slice() {
        [] => format!("seed-{}", plan.seed),
        [fault] => fault.clone(),
        [first, ..] => format!("{first}-and-others"),
    };
    let run = Run {
        dir: directory(&name),
        binary: binary.to_path_buf(),
        acknowledged: plan.is_whole().then_some(ACKNOWLEDGED),
        plan,
        fail_points: None,
    };
    let verdict = run.carry_out().await?;
    if verdict.is_good() && args.hours.is_some() {
        // Hundreds of megabytes that nobody will look at.
        std::fs::remove_file(verdict.dir.join("history.jsonl"))?;
    }
    verdict.print();
    Ok(verdict.is_good())
}

async fn self_test(binary: &Path, seed: u64) -> Result<bool> {
    let mut missed = Vec::new();
    for trial in TRIALS {
        if !is_found(trial, binary, seed).await? {
            missed.push(trial.defect);
        }
    }
    println!(
        "{} of {} defects found; missed: {missed:?}",
        TRIALS.len() - missed.len(),
        TRIALS.len()
    );
    Ok(missed.is_empty())
}

async fn is_found(trial: &Trial, binary: &Path, seed: u64) -> Result<bool> {
    println!("\n=== {}", trial.defect);
    let verdict = trial
        .carry_out(&directory(trial.defect), binary.to_path_buf(), seed)
        .await?;
    verdict.print();
    let found = trial.is_found(&verdict);
    println!(
        "{} was {}",
        trial.defect,
        if found { "found" } else { "NOT found" }
    );
    Ok(found)
}

fn directory(name: &str) -> PathBuf {
    workspace_root().join("target/chaos").join(name)
}
