//! Starting the development cluster, in the foreground or detached.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use starling_cluster::{Cluster, ClusterConfig, Data, Profile, build_node, development_cluster_dir};

use super::watch::Watch;
use super::{UpArgs, lock};
use crate::interrupt::Interrupt;
use crate::setup;

pub(super) async fn run(args: UpArgs) -> Result<ExitCode> {
    let mut interrupt = Interrupt::new()?;
    let lock = lock()?;
    refuse_a_second()?;
    setup::run()?;
    // Dropping the start of a cluster, or of its build, ends what was begun.
    let cluster = tokio::select! {
        cluster = Box::pin(start(&args)) => cluster?,
        () = interrupt.received() => bail!("interrupted; nothing is left running"),
    };
    tell(&cluster);
    drop(lock);
    if args.detach {
        println!("`cargo xtask cluster down` stops it");
        cluster.release();
        return Ok(ExitCode::SUCCESS);
    }
    println!("Ctrl-C stops it\n");
    let mut watch = Watch::new(&cluster);
    tokio::select! {
        () = interrupt.received() => stop(&cluster, &mut watch, &mut interrupt).await?,
        () = watch.until_nothing_runs() => {
            println!("the cluster was stopped by another command");
            cluster.release();
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn stop(cluster: &Cluster, watch: &mut Watch<'_>, interrupt: &mut Interrupt) -> Result<()> {
    println!("stopping; once more to kill");
    tokio::select! {
        stopped = cluster.stop(Data::Keep) => stopped?,
        () = watch.forever() => {}
        () = interrupt.received() => bail!("killed"),
    }
    println!("stopped; the data is kept, `cargo xtask cluster down` wipes it");
    Ok(())
}

async fn start(args: &UpArgs) -> Result<Cluster> {
    let binary = match &args.binary {
        Some(binary) => {
            fs::canonicalize(binary).with_context(|| format!("no such file: {}", binary.display()))?
        }
        None => {
            println!("building the node");
            build_node(if args.dev { Profile::Dev } else { Profile::Release }).await?
        }
    };
    println!("starting the cluster");
    let config = ClusterConfig {
        mongo_members: args.mongo_members.into(),
        env: args.env(),
        ..ClusterConfig::development(binary)
    };
    Cluster::start(config).await
}

/// Before the build, which may take minutes.
fn refuse_a_second() -> Result<()> {
    let running = Cluster::attach(&development_cluster_dir())?.is_some_and(|cluster| cluster.is_running());
    if running {
        bail!(
            "the cluster runs already; `cargo xtask cluster status` shows it, `cargo xtask cluster down` stops it"
        );
    }
    Ok(())
}

fn tell(cluster: &Cluster) {
    println!("front    {}", cluster.front_url());
    for node in cluster.nodes() {
        println!("{:<8} {}", node.id(), node.url());
    }
    println!("redis    {}", cluster.redis_url());
    println!("mongo    {}", cluster.mongo().url());
    if let Some(haproxy) = cluster.haproxy() {
        println!("stats    {}", haproxy.stats_url());
    }
    println!("details  {}", cluster.dir().join("cluster.json").display());
}
