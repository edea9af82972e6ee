//! The same over a real Redis Cluster of three masters.

use std::time::Duration;

use tokio::time::sleep;

use crate::load::Load;
use crate::stage::Stage;

#[tokio::test]
async fn a_load_survives_the_death_of_a_node_over_a_redis_cluster() {
    let stage = Stage::start_with("redis-cluster", |mut config| {
        config.redis_masters = 3;
        config.with_env("STARLING_SENDS_PER_SECOND", 0)
    })
    .await;
    let load = Load::prepare(&stage, 20).await;
    load.run(&stage, 300, Duration::from_secs(8), async {
        sleep(Duration::from_secs(3)).await;
        stage.node(0).kill9().await.unwrap();
        for master in stage.redis_masters() {
            master.flush_all().await.unwrap();
        }
        sleep(Duration::from_secs(2)).await;
        stage.node(0).start().await.unwrap();
    })
    .await;
}
