//! A short plan of `cargo xtask chaos`, always the same one; docs/chaos.md tells of the long ones.

use starling_chaos::{Plan, Run};
use starling_cluster::{node_with_fail_points, workspace_root};

use crate::stage::alone;

/// Any other would do as well; a fixed one fails again where it failed.
const SEED: u64 = 3;

/// Those that have the most to tell for their time.
const FAULTS: [&str; 7] = [
    "crash-after-insert",
    "pubsub-killed",
    "primary-dies-alone",
    "redis-restarted",
    "quiet-missed",
    "mongo-link-replies-dropped",
    "reconnect-storm",
];

#[tokio::test]
async fn a_short_plan_of_faults_breaks_no_promise() {
    let _alone = alone().await;
    let run = Run {
        dir: workspace_root().join("target/chaos/test"),
        binary: node_with_fail_points().await.unwrap(),
        plan: Plan::of(SEED, &FAULTS).unwrap(),
        fail_points: None,
        acknowledged: None,
    };
    let verdict = Box::pin(run.carry_out()).await.unwrap();
    verdict.print();
    assert!(verdict.is_good());
}
