//! Redis and MongoDB: connecting to both, however long they take, and the engine over them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use starling_core::Engine;
use starling_core::ports::Ports;
use starling_mongo::{Mongo, MongoError, MongoSettings};
use starling_redis::{Redis, RedisError, RedisSettings};
use tracing::{info, warn};

use crate::gate::Gate;
use crate::settings::Settings;

/// Between attempts: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What a running node holds on to.
pub(crate) struct Services {
    pub(crate) engine: Arc<Engine>,
    pub(crate) redis: Redis,
}

impl Services {
    /// Connects and starts the engine. Services that are away are waited for: they often start at the same time
    /// as the node, and a node that gives up is only started again.
    ///
    /// # Errors
    /// Where waiting would not help.
    pub(crate) async fn start(settings: &Settings, gate: &Gate) -> Result<Self> {
        let (redis, mongo) = tokio::try_join!(
            Box::pin(until_there("Redis", gate, || connect_redis(settings))),
            Box::pin(until_there("MongoDB", gate, || connect_mongo(settings))),
        )?;
        info!(database = mongo.database_name(), "connected to Redis and MongoDB");
        let engine = until_there("Redis", gate, || start_engine(settings, &redis, &mongo)).await?;
        Ok(Self { engine, redis })
    }
}

/// Why an attempt failed.
enum Failure {
    /// Trying again may help.
    Later(String),
    /// It will not.
    Never(String),
}

async fn until_there<T>(name: &str, gate: &Gate, attempt: impl AsyncFn() -> Result<T, Failure>) -> Result<T> {
    let (mut pause, longest) = PAUSE;
    loop {
        match attempt().await {
            Ok(there) => return Ok(there),
            Err(Failure::Never(reason)) => bail!("{name} cannot be used: {reason}"),
            Err(Failure::Later(reason)) => {
                warn!(service = name, reason, "not there yet, trying again");
                gate.wait_for(format!("{name}: {reason}"));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }
}

async fn connect_redis(settings: &Settings) -> Result<Redis, Failure> {
    let mut redis = RedisSettings::new(&settings.redis_url);
    redis.tls_ca_file = settings.redis_tls_ca_file.clone();
    redis.lease_ttl = settings.lease_ttl;
    Redis::connect(redis).await.map_err(|error| match error {
        RedisError::Settings(_) | RedisError::Tls(_) => Failure::Never(error.to_string()),
        _ => Failure::Later(error.to_string()),
    })
}

async fn connect_mongo(settings: &Settings) -> Result<Mongo, Failure> {
    let mongo = MongoSettings::new(&settings.mongodb_uri);
    Box::pin(Mongo::connect(mongo))
        .await
        .map_err(|error| match error {
            MongoError::Settings(_) => Failure::Never(error.to_string()),
            // A member of a replica set that is not initiated yet looks like a single server.
            MongoError::Deployment(_) | MongoError::Unavailable(_) => Failure::Later(error.to_string()),
        })
}

async fn start_engine(settings: &Settings, redis: &Redis, mongo: &Mongo) -> Result<Arc<Engine>, Failure> {
    let (redis, mongo) = (Arc::new(redis.clone()), Arc::new(mongo.clone()));
    let ports = Ports {
        log: mongo.clone(),
        directory: mongo.clone(),
        presence_store: mongo,
        presence: redis.clone(),
        leases: redis.clone(),
        bus: redis.clone(),
        sessions: redis.clone(),
        offline: redis.clone(),
        rates: redis,
    };
    let engine = starling_core::Settings {
        node_id: settings.node_id.clone(),
        sends: settings.sends,
        connections_per_user: settings.connections_per_user,
        ..starling_core::Settings::default()
    };
    Engine::start(ports, engine)
        .await
        .map_err(|unavailable| Failure::Later(unavailable.to_string()))
}
