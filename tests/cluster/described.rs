//! The served OpenAPI document says what the node does: thousands of requests are made up from it, good ones and bad
//! ones, and each answer is held against it.
//!
//! The requests are those of [Schemathesis](https://schemathesis.readthedocs.io); `schemathesis.toml` sets it up.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use starling_cluster::{ClusterConfig, schemathesis_dir, workspace_root};
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use crate::people::{Person, in_development};
use crate::stage::Stage;

/// Half a minute is usual.
const PATIENCE: Duration = Duration::from_secs(900);

/// Those whom the document's examples name, so that they can be found.
const OTHERS: [&str; 3] = ["alice", "bob", "carol"];
/// The telephone of the examples.
const PHONE: &str = "+4915123456789";

#[tokio::test]
async fn the_node_does_what_its_description_says() {
    let stage = Stage::start_with("described", |config| {
        in_development(ClusterConfig {
            nodes: 1,
            haproxy: false,
            ..config
        })
        .with_env("STARLING_SENDS_PER_SECOND", 0)
    })
    .await;
    let url = stage.node(0).url();
    // Tokens of another issuer, as it were: they belong to no session, so that signing out, everywhere too, which is
    // among the requests, leaves them as they are.
    let token = stage.token("tess").unwrap();
    for user in OTHERS {
        assert_eq!(me(&url, &stage.token(user).unwrap()).await, 200);
    }
    Person::sign_in(&stage, PHONE, (0, 0)).await;

    let program = schemathesis_dir().join("bin/schemathesis");
    assert!(
        program.is_file(),
        "schemathesis is not installed: run `cargo xtask setup`"
    );
    let report = stage.dir().join("schemathesis.json");
    let began = Instant::now();
    let run = Command::new(program)
        .arg("--config-file")
        .arg(workspace_root().join("tests/cluster/schemathesis.toml"))
        .args(["--no-color", "run", &format!("{url}/openapi.json")])
        .args(["--report", "json", "--report-json-path"])
        .arg(&report)
        .env("STARLING_TOKEN", &token)
        .env("PYTHONHASHSEED", "0")
        .current_dir(stage.dir())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, run).await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    println!(
        "{} requests in {:.0?}",
        report["test_cases"]["generated"],
        began.elapsed()
    );
    assert_eq!(report["complete"], true, "{said}");
    assert_eq!(report["operations"]["tested"], report["operations"]["total"]);
    // A run whose requests were all refused, say for their token, would show little.
    let (reached, refused) = by_success(&report);
    println!("never with success: {refused:?}");
    assert!(
        reached.len() >= 4 * refused.len(),
        "no request succeeded at {refused:?}"
    );
    assert_eq!(me(&url, &token).await, 200, "its token was good to the end");
}

async fn me(url: &str, token: &str) -> u16 {
    let request = reqwest::Client::new()
        .get(format!("{url}/v1/me"))
        .bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

/// The operations that were carried out at least once, and those that never were.
fn by_success(report: &Value) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let operations = report["valid_rates"].as_object().unwrap();
    let succeeded = |phases: &Value| {
        let mut phases = phases.as_object().unwrap().values();
        phases.any(|phase| phase["accepted"].as_u64().is_some_and(|count| count > 0))
    };
    let (mut reached, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for (name, phases) in operations {
        let operations = if succeeded(phases) {
            &mut reached
        } else {
            &mut refused
        };
        operations.insert(name.as_str());
    }
    (reached, refused)
}
