//! For orchestrators, balancers and people: alive, ready, healthy, and the numbers.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use starling_core::Health;
use utoipa::ToSchema;

use crate::Rest;
use crate::examples;

/// A balancer must have its answer before it gives up; haproxy.cfg waits 2 s.
const BALANCERS_PATIENCE: Duration = Duration::from_millis(1_000);
/// A person can wait for the reason.
const PEOPLES_PATIENCE: Duration = Duration::from_secs(4);

/// How the node is, and what it relies on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct HealthReport {
    /// Which service answers.
    pub(crate) service: String,
    /// Its version.
    pub(crate) version: String,
    /// Which node.
    pub(crate) node: String,
    /// The sum of it.
    pub(crate) status: HealthStatus,
    /// Coordination between the nodes.
    pub(crate) redis: Dependency,
    /// The store: whether a majority answers.
    pub(crate) mongodb: Dependency,
    /// Whether the node hears what it says to itself through Redis' pub/sub, as it would hear others.
    pub(crate) echo: Dependency,
}

/// The sum of a node's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HealthStatus {
    /// All is well.
    Ok,
    /// All is well, and the node is going away.
    Draining,
    /// Something that the node relies on is not there.
    Degraded,
}

/// Something that the node relies on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Dependency {
    /// Whether it is there.
    pub(crate) status: DependencyStatus,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) reason: Option<String>,
}

/// Whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DependencyStatus {
    /// Yes.
    Up,
    /// No, or it does not answer in time.
    Down,
}

/// Whether the node takes connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ReadinessReport {
    /// Whether, in a word.
    pub(crate) status: ReadyStatus,
    /// Why not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) reasons: Vec<String>,
}

/// Whether the node takes connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReadyStatus {
    /// Yes.
    Ready,
    /// Not now.
    NotReady,
    /// No more.
    Draining,
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Alive {
    /// Always `alive`.
    pub(crate) status: AliveStatus,
}

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AliveStatus {
    /// It is.
    Alive,
}

/// Says how the node and what it relies on are.
#[utoipa::path(
    get, path = "/health", tag = "probes", operation_id = "health",
    responses(
        (status = 200, description = "All is well.", body = HealthReport, example = json!(examples::healthy())),
        (status = 503, description = "Something is missing.", body = HealthReport, example = json!(examples::degraded()))
    )
)]
pub(crate) async fn health(State(rest): State<Arc<Rest>>) -> Response {
    let (draining, [mongodb, redis, echo]) = match rest.readiness.health(PEOPLES_PATIENCE).await {
        Some(Health {
            draining,
            store,
            coordination,
            echo,
        }) => (draining, [store, coordination, echo]),
        None => (
            false,
            std::array::from_fn(|_| Err("it does not answer in time".to_owned())),
        ),
    };
    let all_up = mongodb.is_ok() && redis.is_ok() && echo.is_ok();
    let status = match (all_up, draining || rest.departure.is_announced()) {
        (false, _) => HealthStatus::Degraded,
        (true, true) => HealthStatus::Draining,
        (true, false) => HealthStatus::Ok,
    };
    let report = HealthReport {
        service: rest.settings.service.clone(),
        version: rest.settings.version.clone(),
        node: rest.engine.node_id().to_owned(),
        status,
        redis: redis.into(),
        mongodb: mongodb.into(),
        echo: echo.into(),
    };
    answer(
        if all_up {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        },
        report,
    )
}

/// Says that the process is alive.
///
/// If this is not answered, restarting the process helps. If something that it relies on is away, it does not:
/// that is for `/readyz`.
#[utoipa::path(
    get, path = "/livez", tag = "probes", operation_id = "alive",
    responses((status = 200, description = "It is.", body = Alive, example = json!({"status": "alive"})))
)]
pub(crate) async fn alive() -> Response {
    answer(
        StatusCode::OK,
        Alive {
            status: AliveStatus::Alive,
        },
    )
}

/// Says whether the node should be given connections.
///
/// A node that drains answers 404 and not 503: HAProxy's `http-check disable-on-404` takes that as "no new
/// connections, and leave the ones that are there alone".
#[utoipa::path(
    get, path = "/readyz", tag = "probes", operation_id = "ready",
    responses(
        (status = 200, description = "Yes.", body = ReadinessReport, example = json!({"status": "ready"})),
        (status = 404, description = "No more: it is draining.", body = ReadinessReport, example = json!(examples::draining())),
        (status = 503, description = "Not now.", body = ReadinessReport, example = json!(examples::not_ready()))
    )
)]
pub(crate) async fn ready(State(rest): State<Arc<Rest>>) -> Response {
    let draining = || {
        let reasons = vec!["draining".to_owned()];
        answer(
            StatusCode::NOT_FOUND,
            ReadinessReport {
                status: ReadyStatus::Draining,
                reasons,
            },
        )
    };
    // What the services say does not matter any more, and asking them may take its time.
    if rest.departure.is_announced() {
        return draining();
    }
    let Some(health) = rest.readiness.health(BALANCERS_PATIENCE).await else {
        let reasons = vec!["redis or mongodb does not answer in time".to_owned()];
        return answer(
            StatusCode::SERVICE_UNAVAILABLE,
            ReadinessReport {
                status: ReadyStatus::NotReady,
                reasons,
            },
        );
    };
    if health.draining {
        return draining();
    }
    let reason = |what: &str, probe: Result<(), String>| probe.err().map(|why| format!("{what}: {why}"));
    let reasons: Vec<_> = [
        reason("mongodb", health.store),
        reason("redis", health.coordination),
        reason("echo through redis", health.echo),
    ]
    .into_iter()
    .flatten()
    .collect();
    match reasons.is_empty() {
        true => answer(
            StatusCode::OK,
            ReadinessReport {
                status: ReadyStatus::Ready,
                reasons,
            },
        ),
        false => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            ReadinessReport {
                status: ReadyStatus::NotReady,
                reasons,
            },
        ),
    }
}

/// Whether the node reaches Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct RedisReport {
    /// Whether it does.
    pub(crate) success: bool,
    /// The same in a word.
    pub(crate) status: RedisStatus,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) reason: Option<String>,
    /// Which node.
    pub(crate) node: String,
}

/// Whether the node reaches Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RedisStatus {
    /// It does.
    Connected,
    /// It does not, or not in time.
    Disconnected,
}

/// Says whether the node reaches Redis, at the path that Chatter has for it.
#[utoipa::path(
    get, path = "/api/redis/status", tag = "probes", operation_id = "redis_status",
    responses(
        (status = 200, description = "It does.", body = RedisReport, example = json!(examples::redis_connected())),
        (status = 503, description = "It does not.", body = RedisReport, example = json!(examples::redis_disconnected()))
    )
)]
pub(crate) async fn redis(State(rest): State<Arc<Rest>>) -> Response {
    let health = rest.readiness.health(PEOPLES_PATIENCE).await;
    let coordination = match health {
        Some(health) => health.coordination,
        None => Err("it does not answer in time".to_owned()),
    };
    let (code, status) = match coordination {
        Ok(()) => (StatusCode::OK, RedisStatus::Connected),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, RedisStatus::Disconnected),
    };
    let report = RedisReport {
        success: coordination.is_ok(),
        status,
        reason: coordination.err(),
        node: rest.engine.node_id().to_owned(),
    };
    answer(code, report)
}

/// All numbers, in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "probes", operation_id = "metrics",
    responses((status = 200, description = "The numbers.", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(rest): State<Arc<Rest>>) -> Response {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        (rest.settings.metrics)(),
    )
        .into_response()
}

fn answer(status: StatusCode, body: impl Serialize) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

impl From<Result<(), String>> for Dependency {
    fn from(probe: Result<(), String>) -> Self {
        match probe {
            Ok(()) => Self {
                status: DependencyStatus::Up,
                reason: None,
            },
            Err(reason) => Self {
                status: DependencyStatus::Down,
                reason: Some(reason),
            },
        }
    }
}
