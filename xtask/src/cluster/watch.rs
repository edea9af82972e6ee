//! What a cluster that runs in the foreground shows.

use std::time::Duration;

use starling_cluster::{Cluster, Process};

use super::logs::Follower;

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Prints what the nodes and HAProxy log, and which processes end and come back.
pub(super) struct Watch<'a> {
    logs: Vec<Follower>,
    /// Each process, and whether it ran at the last look.
    processes: Vec<(&'a Process, bool)>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        let nodes = cluster.nodes().iter().map(|node| &**node);
        let talkers = nodes.chain(cluster.haproxy().map(|haproxy| &**haproxy));
        Self {
            logs: talkers
                .map(|process| Follower::new(process.name(), process.log_path()))
                .collect(),
            processes: cluster.processes().map(|process| (process, true)).collect(),
        }
    }

    /// Until no process of the cluster is left.
    pub(super) async fn until_nothing_runs(&mut self) {
        while self.processes.iter().any(|(_, runs)| *runs) {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look();
        }
    }

    /// Until it is dropped.
    pub(super) async fn forever(&mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look();
        }
    }

    fn look(&mut self) {
        for log in &mut self.logs {
            log.print_new_lines();
        }
        for (process, ran) in &mut self.processes {
            let runs = process.is_alive();
            match (*ran, runs) {
                (true, false) => println!("--- {} has ended", process.name()),
                (false, true) => println!("--- {} runs again", process.name()),
                _ => {}
            }
            *ran = runs;
        }
    }
}
