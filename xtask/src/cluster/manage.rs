//! Commands about the development cluster that runs, from another terminal than the one that started it.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use starling_cluster::{Cluster, Data, Node, development_cluster_dir};

use super::lock;

pub(super) async fn down(keep: bool) -> Result<ExitCode> {
    let _lock = lock()?;
    let dir = development_cluster_dir();
    let data = if keep { Data::Keep } else { Data::Wipe };
    match Cluster::attach(&dir) {
        Ok(Some(cluster)) => {
            let was_running = cluster.is_running();
            cluster.stop(data).await?;
            println!(
                "{}",
                if was_running {
                    "stopped"
                } else {
                    "nothing was running"
                }
            );
        }
        Ok(None) => {
            if !keep {
                Cluster::kill_recorded(&dir).await?;
            }
            println!("nothing was running");
        }
        Err(fault) if !keep => {
            println!("{fault:#}; killing what was started");
            Cluster::kill_recorded(&dir).await?;
        }
        Err(fault) => return Err(fault),
    }
    println!(
        "{}",
        if keep {
            "the data is kept"
        } else {
            "the data is wiped"
        }
    );
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn status() -> Result<ExitCode> {
    let cluster = running()?;
    let status = cluster.status().await;
    println!("{:<9} {:>8}  {:<6} ready", "process", "pid", "alive");
    for process in &status {
        let pid = process.pid.map_or("-".to_owned(), |pid| pid.to_string());
        let alive = if process.pid.is_some() { "yes" } else { "no" };
        let ready = match &process.ready {
            Ok(ready) => (*ready).to_owned(),
            Err(fault) => format!("no: {fault}"),
        };
        println!("{:<9} {pid:>8}  {alive:<6} {ready}", process.name);
    }
    let all_ready = status.iter().all(|process| process.ready.is_ok());
    Ok(if all_ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

pub(super) async fn kill(number: usize) -> Result<ExitCode> {
    let _lock = lock()?;
    let cluster = running()?;
    let node = find_node(&cluster, number)?;
    if !node.is_alive() {
        bail!("{} is not running", node.id());
    }
    node.kill9().await?;
    cluster.describe()?;
    println!(
        "{} is killed; `cargo xtask cluster start {number}` starts it again",
        node.id()
    );
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn start(number: usize) -> Result<ExitCode> {
    let _lock = lock()?;
    let cluster = running()?;
    let node = find_node(&cluster, number)?;
    let started = node.start().await;
    cluster.describe()?;
    started?;
    println!("{} is ready at {}", node.id(), node.url());
    Ok(ExitCode::SUCCESS)
}

fn running() -> Result<Cluster> {
    let cluster = Cluster::attach(&development_cluster_dir())?.filter(Cluster::is_running);
    cluster.context("no cluster runs; `cargo xtask cluster` starts one")
}

fn find_node(cluster: &Cluster, number: usize) -> Result<&Node> {
    let node = number.checked_sub(1).and_then(|index| cluster.nodes().get(index));
    node.with_context(|| {
        format!(
            "there is no node {number}; there are 1 to {}",
            cluster.nodes().len()
        )
    })
}
