//! `cargo xtask load`: the bundled k6 script against a cluster.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use starling_cluster::{
    Cluster, ClusterConfig, Data, Profile, Tool, build_node, development_cluster_dir, raise_open_files,
    workspace_root,
};
use tokio::process::Command;

use crate::interrupt::Interrupt;
use crate::setup;

/// Within which k6 ends after a Ctrl-C, which reaches it, too.
const INTERRUPTED_GRACE: Duration = Duration::from_secs(60);

/// What is not given here has the default that the script gives it, or comes from the environment variable of the
/// same name.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many users connect (USERS)
    #[arg(long)]
    users: Option<u32>,
    /// In how many conversations they are (CONVERSATIONS)
    #[arg(long)]
    conversations: Option<u32>,
    /// How many messages a second all of them send (RATE)
    #[arg(long)]
    rate: Option<u32>,
    /// For how long, such as 60s or 5m (DURATION)
    #[arg(long)]
    duration: Option<String>,
    /// Start a cluster for the load even if the development cluster runs
    #[arg(long)]
    fresh: bool,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    setup::run()?;
    let k6 = Tool::K6.find()?;
    raise_open_files().context("cannot raise the limit of open files")?;
    let mut interrupt = Interrupt::new()?;
    let running = Cluster::attach(&development_cluster_dir())?.filter(Cluster::is_running);
    if let Some(cluster) = running.filter(|_| !args.fresh) {
        println!("loading the cluster that runs, at {}", cluster.front_url());
        return Ok(exit_code(load(&args, &k6, &cluster, &mut interrupt).await?));
    }

    let cluster = tokio::select! {
        cluster = Box::pin(start()) => cluster?,
        () = interrupt.received() => bail!("interrupted; nothing is left running"),
    };
    println!(
        "loading a cluster that was started for it, at {}",
        cluster.front_url()
    );
    let status = load(&args, &k6, &cluster, &mut interrupt).await;
    let passed = status.as_ref().is_ok_and(ExitStatus::success);
    cluster.stop(if passed { Data::Wipe } else { Data::Keep }).await?;
    if !passed {
        println!(
            "the logs of the cluster are in {}",
            cluster.dir().join("logs").display()
        );
    }
    Ok(exit_code(status?))
}

async fn start() -> Result<Cluster> {
    println!("building the node");
    let binary = build_node(Profile::Release).await?;
    println!("starting a cluster");
    // Not temporary: what was logged is wanted when the load fails.
    Cluster::start(ClusterConfig {
        temporary: false,
        ..ClusterConfig::temporary("load", binary)
    })
    .await
}

/// Runs k6 to its end. Ctrl-C in a terminal reaches it directly, and it then ends by itself.
async fn load(args: &Args, k6: &Path, cluster: &Cluster, interrupt: &mut Interrupt) -> Result<ExitStatus> {
    let script = workspace_root().join("tests/load/chat.js");
    let numbers = [
        ("USERS", args.users),
        ("CONVERSATIONS", args.conversations),
        ("RATE", args.rate),
    ];
    let numbers = numbers
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?.to_string())));
    let duration = args.duration.clone().map(|duration| ("DURATION", duration));
    let mut command = Command::new(k6);
    command.args(["run", "--no-usage-report"]);
    if !io::stdout().is_terminal() {
        // No progress bar; the summary is printed all the same.
        command.args(["--quiet", "--no-color"]);
    }
    command
        .arg(script)
        .env("FRONT", cluster.front_url())
        .env("TOKEN_SECRET", cluster.token_secret())
        .envs(numbers)
        .envs(duration)
        .current_dir(workspace_root())
        .stdin(Stdio::null());
    let mut k6 = command.kill_on_drop(true).spawn().context("cannot run k6")?;
    let status = tokio::select! {
        status = k6.wait() => status,
        () = interrupt.received() => {
            tokio::time::timeout(INTERRUPTED_GRACE, k6.wait()).await.context("k6 did not end")?
        }
    };
    status.context("cannot wait for k6")
}

/// k6 tells by its exit code whether the thresholds were met.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
