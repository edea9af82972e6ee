//! The whole of it: some lanes for commands, one subscriber.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::error::ErrorKind;
use fred::interfaces::LuaInterface;
use fred::types::{FromValue, Key, Value};
use futures::future::try_join_all;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::closing::{Close, Closing};
use crate::connections::Connections;
use crate::lane::Lane;
use crate::scripts::Script;
use crate::subscriber::{Interruptions, Subscriber, SubscriberHandle};
use crate::{RedisError, RedisSettings};

/// How often a command is sent again where a cluster redirects it.
const REDIRECTIONS: u32 = 2;
/// Commands of one question about many that are under way at a time.
const AT_ONCE: usize = 200;

/// The coordination ports, through Redis: [`starling_core::ports::Leases`], [`starling_core::ports::Bus`], [`starling_core::ports::RecentEntries`],
/// [`starling_core::ports::SessionMap`], [`starling_core::ports::PresenceIndex`],
/// [`starling_core::ports::OfflineIndex`], [`starling_core::ports::RateLimiter`] and [`starling_core::ports::EventQueue`]. Clones share the connections, which end with the last of them.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    settings: RedisSettings,
    lanes: Vec<Arc<Lane>>,
    subscriber: SubscriberHandle,
    close: Close,
    /// Dropping it ends the tasks.
    tasks: Mutex<JoinSet<()>>,
}

impl Redis {
    /// Connects. From then on it connects again by itself, for ever.
    ///
    /// # Errors
    /// [`RedisError`] if the settings are of no use, or a first connection cannot be had.
    pub async fn connect(settings: RedisSettings) -> Result<Self, RedisError> {
        let connections = Connections::new(&settings)?;
        let lanes =
            try_join_all((0..settings.connections).map(|_| Lane::connect(&connections, &settings))).await?;
        let (lanes, connect_tasks): (Vec<_>, Vec<_>) = lanes.into_iter().unzip();

        let interruptions = Arc::new(Interruptions::default());
        let (subscriber, handle) =
            Subscriber::connect(connections, lanes.clone(), Arc::clone(&interruptions), &settings).await?;

        let (close, closing) = Closing::new();
        let mut tasks = JoinSet::new();
        for (lane, task) in lanes.iter().zip(connect_tasks) {
            tasks.spawn(Arc::clone(lane).keep(task, Arc::clone(&interruptions), closing.clone()));
        }
        tasks.spawn(subscriber.run(closing));
        let inner = Inner {
            settings,
            lanes,
            subscriber: handle,
            close,
            tasks: Mutex::new(tasks),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Closes the connections, within a bounded time. All methods fail from then on.
    pub async fn shutdown(&self) {
        self.inner.close.now();
        let mut tasks = std::mem::take(&mut *self.inner.tasks.lock());
        while tasks.join_next().await.is_some() {}
    }

    pub(crate) fn settings(&self) -> &RedisSettings {
        &self.inner.settings
    }

    pub(crate) fn subscriber(&self) -> &SubscriberHandle {
        &self.inner.subscriber
    }

    /// The lane for whatever `subject` names, so that what is sent about it arrives in the order in which it
    /// was sent; another one if that does not work.
    fn lane<T: Hash + ?Sized>(&self, subject: &T) -> Option<&Lane> {
        let lanes = &self.inner.lanes;
        let mut hasher = DefaultHasher::new();
        subject.hash(&mut hasher);
        let first = usize::try_from(hasher.finish() % lanes.len() as u64).unwrap_or_default();
        lanes[first..]
            .iter()
            .chain(&lanes[..first])
            .find(|lane| lane.is_open())
            .map(Arc::as_ref)
    }

    /// Runs a command.
    ///
    /// Where a cluster redirects it, fred has looked at the cluster anew by the time it answers, so it is sent
    /// again. While a slot is being moved that does not help for keys that have gone ahead, nor for scripts
    /// whose keys are on both sides; they fail, until the slot is moved.
    pub(crate) async fn run<R, F, T: Hash + ?Sized>(
        &self,
        operation: &'static str,
        subject: &T,
        command: impl Fn(Client) -> F,
    ) -> Result<R, RedisError>
    where
        F: Future<Output = Result<R, fred::error::Error>>,
    {
        let outcome = self.run_redirected(operation, subject, command).await;
        if outcome.is_err() {
            metrics::counter!("starling_redis_errors_total", "operation" => operation).increment(1);
        }
        outcome
    }

    async fn run_redirected<R, F, T: Hash + ?Sized>(
        &self,
        operation: &'static str,
        subject: &T,
        command: impl Fn(Client) -> F,
    ) -> Result<R, RedisError>
    where
        F: Future<Output = Result<R, fred::error::Error>>,
    {
        let mut redirections = 0;
        loop {
            let lane = self.lane(subject).ok_or(RedisError::Down)?;
            let sent = Instant::now();
            let outcome = command(lane.client()).await;
            lane.settle(operation, sent, &outcome);
            match outcome {
                Err(e) if *e.kind() == ErrorKind::Routing && redirections < REDIRECTIONS => redirections += 1,
                outcome => {
                    return outcome.map_err(|e| RedisError::Command {
                        operation,
                        reason: e.to_string(),
                    });
                }
            }
        }
    }

    /// Runs a command for each subject, many at a time. The outcomes come in the same order. In a cluster each goes where
    /// its key is.
    pub(crate) async fn run_for_each<R, S: Hash>(
        &self,
        operation: &'static str,
        subjects: &[S],
        ask: impl AsyncFn(Client, &S) -> Result<R, fred::error::Error>,
    ) -> Result<Vec<R>, RedisError> {
        let mut outcomes = Vec::with_capacity(subjects.len());
        for some in subjects.chunks(AT_ONCE) {
            let asked = some
                .iter()
                .map(|subject| self.run(operation, subject, async |redis| ask(redis, subject).await));
            outcomes.extend(try_join_all(asked).await?);
        }
        Ok(outcomes)
    }

    /// Runs a script, in one round trip unless the server does not know it yet.
    pub(crate) async fn script<R: FromValue, T: Hash + ?Sized>(
        &self,
        operation: &'static str,
        subject: &T,
        script: &Script,
        keys: Vec<Key>,
        args: Vec<Value>,
    ) -> Result<R, RedisError> {
        self.run(operation, subject, |redis| {
            // Cheap: both are shared bytes.
            let (keys, args) = (keys.clone(), args.clone());
            async move {
                match redis.evalsha(script.sha1(), keys.clone(), args.clone()).await {
                    Err(e) if e.details().starts_with("NOSCRIPT") => {
                        redis.eval(script.text(), keys, args).await
                    }
                    outcome => outcome,
                }
            }
        })
        .await
    }
}

/// As an argument.
pub(crate) fn number(value: u64) -> Value {
    value.to_string().into()
}

/// As an argument.
pub(crate) fn millis(duration: Duration) -> Value {
    number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
