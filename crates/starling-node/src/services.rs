//! Redis and MongoDB: connecting to both, however long they take, and the engine over them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use starling_core::Engine;
use starling_core::people::{PeopleSettings, Secret};
use starling_core::ports::{CodeSender, PeoplePorts, Ports, TokenIssuer};
use starling_mongo::{Mongo, MongoError, MongoSettings};
use starling_redis::{Redis, RedisError, RedisSettings};
use tracing::{info, warn};

use crate::gate::Gate;
use crate::senders::{LogSender, WebhookSender};
use crate::settings::{self, Settings, SignIn};
use crate::tokens::SessionTokens;

/// Between attempts: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What a running node holds on to.
pub(crate) struct Services {
    pub(crate) engine: Arc<Engine>,
    pub(crate) redis: Redis,
}

impl Services {
    /// Connects and starts the engine. Services that are away are waited for: they often start at the same time
    /// as the node, and a node that gives up is only started again. With `secret` people can sign in.
    ///
    /// # Errors
    /// Where waiting would not help.
    pub(crate) async fn start(settings: &Settings, secret: Option<&str>, gate: &Gate) -> Result<Self> {
        let (redis, mongo) = tokio::try_join!(
            Box::pin(until_there("Redis", gate, || connect_redis(settings))),
            Box::pin(until_there("MongoDB", gate, || connect_mongo(settings))),
        )?;
        info!(database = mongo.database_name(), "connected to Redis and MongoDB");
        let people = SignInPorts::new(settings, secret)?;
        let engine = until_there("a service", gate, || {
            start_engine(settings, &people, &redis, &mongo)
        })
        .await?;
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

/// What signing in by phone takes.
struct SignInPorts {
    settings: PeopleSettings,
    sender: Option<Arc<dyn CodeSender>>,
    issuer: Option<Arc<dyn TokenIssuer>>,
}

impl SignInPorts {
    fn new(settings: &Settings, secret: Option<&str>) -> Result<Self> {
        let SignIn {
            sender,
            code_in_answer,
            codes_per_phone,
            codes_per_address,
            access_life,
            refresh_life,
        } = settings.sign_in.clone();
        let people = PeopleSettings {
            secret: secret.map(Secret::new),
            access_life,
            refresh_life,
            code_in_answer,
            codes_per_phone,
            codes_per_address,
            ..PeopleSettings::default()
        };
        let sender: Option<Arc<dyn CodeSender>> = match sender {
            settings::CodeSender::None => None,
            settings::CodeSender::Log => Some(Arc::new(LogSender)),
            settings::CodeSender::Webhook(webhook) => Some(Arc::new(WebhookSender::new(webhook)?)),
        };
        let (audience, issuer) = (
            settings.token_audience.as_deref(),
            settings.token_issuer.as_deref(),
        );
        let tokens = secret.map(|secret| SessionTokens::new(secret, audience, issuer));
        Ok(Self {
            settings: people,
            sender,
            issuer: tokens.map(|tokens| Arc::new(tokens) as Arc<dyn TokenIssuer>),
        })
    }
}

async fn start_engine(
    settings: &Settings,
    sign_in: &SignInPorts,
    redis: &Redis,
    mongo: &Mongo,
) -> Result<Arc<Engine>, Failure> {
    let (redis, mongo) = (Arc::new(redis.clone()), Arc::new(mongo.clone()));
    let ports = Ports {
        log: mongo.clone(),
        directory: mongo.clone(),
        presence_store: mongo.clone(),
        presence: redis.clone(),
        leases: redis.clone(),
        bus: redis.clone(),
        recent: redis.clone(),
        sessions: redis.clone(),
        offline: redis.clone(),
        rates: redis.clone(),
        people: PeoplePorts {
            accounts: mongo.clone(),
            sign_ins: mongo.clone(),
            contacts: mongo,
            codes: redis.clone(),
            quotas: redis,
            sender: sign_in.sender.clone(),
            issuer: sign_in.issuer.clone(),
        },
    };
    let engine = starling_core::Settings {
        node_id: settings.node_id.clone(),
        sends: settings.sends,
        connections_per_user: settings.connections_per_user,
        people: sign_in.settings.clone(),
        ..starling_core::Settings::default()
    };
    Engine::start(ports, engine)
        .await
        .map_err(|unavailable| Failure::Later(unavailable.to_string()))
}
