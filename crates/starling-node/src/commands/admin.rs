//! `starling admin`: what is done once to the services that nodes rely on, without their own tools at hand.

use anyhow::{Context, Result};
use starling_mongo::{ReplicaSet, ReplicaSetOutcome, init_replica_set};

use crate::settings::without_passwords;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Makes freshly started mongods a replica set, and waits for a primary; one that is there stays as it is.
    InitReplicaSet {
        /// How to reach one of the mongods from here.
        #[arg(long)]
        uri: String,
        /// How the nodes and the other members reach each member.
        #[arg(long, value_name = "HOST:PORT", required = true)]
        member: Vec<String>,
        /// What the set is called, as in the mongods' --replSet.
        #[arg(long, default_value = "rs0")]
        name: String,
    },
}

pub(crate) fn run(command: &Command) -> Result<()> {
    let Command::InitReplicaSet { uri, member, name } = command;
    let set = ReplicaSet::new(name, member);
    let outcome = super::block_on(async { Ok(init_replica_set(uri, &set).await?) });
    let outcome = outcome.with_context(|| format!("cannot make {} a replica set", without_passwords(uri)))?;
    super::say(match outcome {
        ReplicaSetOutcome::Initiated => "initiated, and there is a primary",
        ReplicaSetOutcome::AlreadyInitiated => "initiated before, and there is a primary",
    })
}
