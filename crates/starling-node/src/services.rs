//! What the engine works over: a store on this machine, or Redis and MongoDB, however long they take to be there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use starling_core::Engine;
use starling_core::coordination::{LocalNode, Timing};
use starling_core::people::{PeopleSettings, Secret};
use starling_core::ports::{
    Accounts, Bus, CodeSender, Codes, ContactBook, Directory, EntryLog, EventCursors, EventPorts, EventQueue,
    EventSink, Leases, OfflineIndex, PeoplePorts, Ports, PresenceIndex, PresenceStore, Quotas, RateLimiter,
    RecentEntries, SessionMap, SignIns, Statistics, TokenIssuer,
};
use starling_embedded::Store;
use starling_events::{RabbitMq, Webhook};
use starling_mongo::{Mongo, MongoError, MongoSettings};
use starling_redis::{Redis, RedisError, RedisSettings};
use tracing::{info, warn};

use crate::gate::Gate;
use crate::senders::{EventPost, LogSender, WebhookSender};
use crate::settings::{self, Backend, ClusterSettings, Settings, SignIn};
use crate::tokens::SessionTokens;

/// Between attempts: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What a running node holds on to.
pub(crate) struct Services {
    pub(crate) engine: Arc<Engine>,
    running: Running,
}

/// What the engine works over, besides its ports.
enum Running {
    Standalone(Store),
    Cluster(Redis),
}

impl Services {
    /// Opens what everything is kept in, and starts the engine over it. Services that are away are waited for: they
    /// often start at the same time as the node, and a node that gives up is only started again. With `secret` people
    /// can sign in.
    ///
    /// # Errors
    /// Where waiting would not help.
    pub(crate) async fn start(settings: &Settings, secret: Option<&str>, gate: &Gate) -> Result<Self> {
        let people = SignInPorts::new(settings, secret)?;
        match &settings.backend {
            Backend::Standalone { data_dir } => Self::standalone(settings, data_dir, &people, gate).await,
            Backend::Cluster(cluster) => Self::of_a_cluster(settings, cluster, &people, gate).await,
        }
    }

    async fn standalone(
        settings: &Settings,
        data_dir: &Path,
        people: &SignInPorts,
        gate: &Gate,
    ) -> Result<Self> {
        let directory = data_dir.to_owned();
        let store = tokio::task::spawn_blocking(move || Store::open(&directory)).await??;
        info!(data_dir = %data_dir.display(), "opened the store");
        let coordination = LocalNode::alone(Timing::default());
        let sinks = event_sinks(settings)?;
        let ports = people.ports(Arc::new(store.clone()), Arc::new(coordination), sinks);
        let engine = until_there("the store", gate, || start_engine(settings, people, &ports)).await?;
        Ok(Self {
            engine,
            running: Running::Standalone(store),
        })
    }

    async fn of_a_cluster(
        settings: &Settings,
        cluster: &ClusterSettings,
        people: &SignInPorts,
        gate: &Gate,
    ) -> Result<Self> {
        let (redis, mongo) = tokio::try_join!(
            Box::pin(until_there("Redis", gate, || connect_redis(cluster))),
            Box::pin(until_there("MongoDB", gate, || connect_mongo(cluster))),
        )?;
        info!(database = mongo.database_name(), "connected to Redis and MongoDB");
        let sinks = event_sinks(settings)?;
        let ports = people.ports(Arc::new(mongo), Arc::new(redis.clone()), sinks);
        let engine = until_there("a service", gate, || start_engine(settings, people, &ports)).await?;
        Ok(Self {
            engine,
            running: Running::Cluster(redis),
        })
    }

    /// Gives back what is held, once the engine has drained.
    pub(crate) async fn close(self) {
        match self.running {
            Running::Cluster(redis) => redis.shutdown().await,
            // What is committed is on the disk.
            Running::Standalone(store) => drop(store),
        }
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

async fn connect_redis(settings: &ClusterSettings) -> Result<Redis, Failure> {
    let mut redis = RedisSettings::new(&settings.redis_url);
    redis.tls_ca_file = settings.redis_tls_ca_file.clone();
    redis.lease_ttl = settings.lease_ttl;
    redis.recent_max_entries = settings.recent_entries;
    redis.recent_ttl = settings.recent_ttl;
    Redis::connect(redis).await.map_err(|error| match error {
        RedisError::Settings(_) | RedisError::Tls(_) => Failure::Never(error.to_string()),
        _ => Failure::Later(error.to_string()),
    })
}

async fn connect_mongo(settings: &ClusterSettings) -> Result<Mongo, Failure> {
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

    /// All ports, over what decides and what coordinates, and over who is told.
    fn ports<S, C>(&self, store: Arc<S>, coordination: Arc<C>, sinks: Vec<Arc<dyn EventSink>>) -> Ports
    where
        S: EntryLog
            + Directory
            + PresenceStore
            + Statistics
            + EventCursors
            + Accounts
            + SignIns
            + ContactBook,
        C: Leases
            + Bus
            + RecentEntries
            + SessionMap
            + PresenceIndex
            + OfflineIndex
            + RateLimiter
            + Codes
            + Quotas
            + EventQueue,
    {
        let events = (!sinks.is_empty()).then(|| EventPorts {
            sinks,
            queue: coordination.clone(),
            cursors: store.clone(),
        });
        Ports {
            events,
            log: store.clone(),
            directory: store.clone(),
            presence_store: store.clone(),
            statistics: store.clone(),
            presence: coordination.clone(),
            leases: coordination.clone(),
            bus: coordination.clone(),
            recent: coordination.clone(),
            sessions: coordination.clone(),
            offline: coordination.clone(),
            rates: coordination.clone(),
            people: PeoplePorts {
                accounts: store.clone(),
                sign_ins: store.clone(),
                contacts: store,
                codes: coordination.clone(),
                quotas: coordination,
                sender: self.sender.clone(),
                issuer: self.issuer.clone(),
            },
        }
    }
}

/// Who is told what is stored.
fn event_sinks(settings: &Settings) -> Result<Vec<Arc<dyn EventSink>>> {
    let mut sinks: Vec<Arc<dyn EventSink>> = Vec::new();
    if let Some(broker) = &settings.events.rabbitmq {
        let sink = RabbitMq::new(&broker.url, broker.settings(&settings.node_id))?;
        sinks.push(Arc::new(sink));
    }
    if let Some(webhook) = &settings.events.webhook {
        let post = Arc::new(EventPost::new(webhook.url.clone())?);
        sinks.push(Arc::new(Webhook::new(post, webhook.secret.clone())));
    }
    Ok(sinks)
}

async fn start_engine(
    settings: &Settings,
    sign_in: &SignInPorts,
    ports: &Ports,
) -> Result<Arc<Engine>, Failure> {
    let engine = starling_core::Settings {
        node_id: settings.node_id.clone(),
        sends: settings.sends,
        connections_per_user: settings.connections_per_user,
        typing_expiry: settings.typing_expiry,
        presence_grace: settings.presence_grace,
        events_from: settings.events.from,
        people: sign_in.settings.clone(),
        ..starling_core::Settings::default()
    };
    Engine::start(ports.clone(), engine)
        .await
        .map_err(|unavailable| Failure::Later(unavailable.to_string()))
}
