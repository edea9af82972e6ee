//! Alive, ready, healthy.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use starling_core::memory::Latency;
use tokio::time::{Instant, sleep};

use crate::support::{Answer, App};

async fn probe(app: &App, path: &str) -> Answer {
    app.send(Request::get(path).body(Body::empty()).unwrap()).await
}

/// What is known is half a second old at most.
async fn later() {
    sleep(Duration::from_millis(600)).await;
}

#[tokio::test(start_paused = true)]
async fn a_sound_node_is_ready_and_healthy() {
    let app = App::new().await;
    let ready = probe(&app, "/readyz").await;
    assert_eq!((ready.status, ready.body), (200, json!({"status": "ready"})));
    let health = probe(&app, "/health").await;
    assert_eq!(health.status, 200);
    let up = json!({"status": "up"});
    assert_eq!(
        health.body,
        json!({
            "service": "starling", "version": "1.2.3", "node": "node1", "status": "ok",
            "redis": up, "mongodb": up, "echo": up
        })
    );
    assert_eq!(probe(&app, "/livez").await.status, 200);
    let metrics = probe(&app, "/metrics").await;
    assert_eq!((metrics.status, metrics.body), (200, json!("starling_up 1\n")));
    assert!(
        metrics.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_without_its_store_is_alive_and_not_ready() {
    let app = App::new().await;
    app.store.set_reachable(false);
    let ready = probe(&app, "/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.body["status"], "not_ready");
    assert!(
        ready.body["reasons"][0]
            .as_str()
            .unwrap()
            .starts_with("mongodb: ")
    );
    let health = probe(&app, "/health").await;
    assert_eq!((health.status, &health.body["status"]), (503, &json!("degraded")));
    assert_eq!(
        (&health.body["mongodb"]["status"], &health.body["redis"]["status"]),
        (&json!("down"), &json!("up"))
    );
    assert_eq!(probe(&app, "/livez").await.status, 200);

    app.store.set_reachable(true);
    later().await;
    assert_eq!(probe(&app, "/readyz").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_node_without_redis_is_not_ready() {
    let app = App::new().await;
    app.coordination.set_reachable(false);
    let ready = probe(&app, "/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body["reasons"][0].as_str().unwrap().starts_with("redis: "),
        "{ready:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_probe_answers_in_time_where_a_service_does_not() {
    let app = App::new().await;
    app.store.set_latency(Latency::Fixed(Duration::from_secs(60)));
    for path in ["/readyz", "/health"] {
        let asked = Instant::now();
        let answer = probe(&app, path).await;
        assert_eq!(answer.status, 503);
        assert!(
            asked.elapsed() <= Duration::from_millis(2_000),
            "{path}: {:?}",
            asked.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn many_probes_are_one_question() {
    let app = App::new().await;
    probe(&app, "/readyz").await;
    let before = app.store.counts();
    for _ in 0..50 {
        assert_eq!(probe(&app, "/readyz").await.status, 200);
    }
    assert_eq!(app.store.counts(), before);
}

#[tokio::test(start_paused = true)]
async fn a_departing_node_says_404_and_goes_on_serving() {
    let app = App::new().await;
    assert_eq!(probe(&app, "/readyz").await.status, 200);
    app.departure.announce();
    let ready = probe(&app, "/readyz").await;
    assert_eq!(
        (ready.status, ready.body),
        (404, json!({"status": "draining", "reasons": ["draining"]}))
    );
    let health = probe(&app, "/health").await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("draining")));
    assert_eq!(app.get("alice", "/v1/conversations").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_draining_engine_is_not_ready() {
    let app = App::new().await;
    app.engine.start_draining();
    let ready = probe(&app, "/readyz").await;
    assert_eq!((ready.status, &ready.body["status"]), (404, &json!("draining")));
}

#[tokio::test(start_paused = true)]
async fn chatters_path_says_whether_redis_is_reached() {
    let app = App::new().await;
    let connected = probe(&app, "/api/redis/status").await;
    assert_eq!(
        (connected.status, connected.body),
        (
            200,
            json!({"success": true, "status": "connected", "node": "node1"})
        )
    );
    app.coordination.set_reachable(false);
    later().await;
    let gone = probe(&app, "/api/redis/status").await;
    assert_eq!(
        (gone.status, &gone.body["success"], &gone.body["status"]),
        (503, &json!(false), &json!("disconnected"))
    );
}
