//! Nodes come and go in order: probes, drain, a rolling restart under load.

use std::time::Duration;

use crate::load::Load;
use crate::stage::{Stage, eventually};

#[tokio::test]
async fn every_node_is_restarted_in_turn_under_load() {
    let stage = Stage::start("rolling").await;
    let load = Load::prepare(&stage, 10).await;
    load.run(&stage, 100, Duration::from_secs(24), async {
        for node in stage.nodes() {
            let exit = node.terminate(Duration::from_secs(30)).await.unwrap();
            assert!(
                exit.is_some_and(|status| status.success()),
                "SIGTERM ends in exit 0: {exit:?}"
            );
            node.start().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn readiness_follows_what_the_node_depends_on() {
    let stage = Stage::start("readiness").await;
    let http = reqwest::Client::new();
    let url = stage.node(0).url();
    let status = async |path: &str| {
        let response = http.get(format!("{url}{path}")).send().await.ok()?;
        Some(response.status().as_u16())
    };
    let turns = async |what: &str, path: &str, wanted: u16| {
        eventually(what, Duration::from_secs(20), async || {
            (status(path).await == Some(wanted)).then_some(())
        })
        .await;
    };
    turns("ready", "/readyz", 200).await;
    assert_eq!(status("/livez").await, Some(200));
    turns("in health", "/health", 200).await;
    assert_eq!(status("/metrics").await, Some(200));
    assert_eq!(status("/openapi.json").await, Some(200));

    stage.redis().pause().unwrap();
    turns("unready without Redis", "/readyz", 503).await;
    assert_eq!(status("/livez").await, Some(200));
    stage.redis().resume().unwrap();
    turns("ready again", "/readyz", 200).await;

    stage.mongo().member(0).pause().unwrap();
    turns("unready without MongoDB", "/readyz", 503).await;
    assert_eq!(status("/health").await, Some(503));
    stage.mongo().member(0).resume().unwrap();
    turns("ready again", "/readyz", 200).await;

    // The node's subscription alone is cut: it hears its own echo again by itself.
    stage
        .redis()
        .command(&["CLIENT", "KILL", "TYPE", "pubsub"])
        .await
        .unwrap();
    turns("ready after its subscription was killed", "/readyz", 200).await;
}
