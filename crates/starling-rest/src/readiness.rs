//! What the probes know about the node's health, cheap enough to be asked by every balancer every second.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use starling_core::{Engine, Health};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// How long an answer is good for.
const FRESH: Duration = Duration::from_millis(500);

/// The engine's health, asked for at most twice a second however many ask.
///
/// A probe of a service that hangs takes longer than balancers wait, and a balancer that gets no answer takes
/// the node for dead and cuts its sessions. So the question is put in the background, and whoever asks waits
/// for it only as long as he likes.
pub(crate) struct Readiness {
    engine: Arc<Engine>,
    known: watch::Sender<Option<(Instant, Health)>>,
    asking: Mutex<Option<JoinHandle<()>>>,
}

impl Readiness {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            known: watch::Sender::new(None),
            asking: Mutex::new(None),
        }
    }

    /// The health as it was at most half a second ago; `None` if that cannot be told in time.
    pub(crate) async fn health(&self, patience: Duration) -> Option<Health> {
        // Before the look at what is known: an answer that comes in between must wake this.
        let mut answers = self.known.subscribe();
        if let Some((at, health)) = answers.borrow_and_update().as_ref()
            && at.elapsed() < FRESH
        {
            return Some(health.clone());
        }
        self.ask();
        timeout(patience, answers.changed()).await.ok()?.ok()?;
        answers.borrow().as_ref().map(|(_, health)| health.clone())
    }

    fn ask(&self) {
        let mut asking = self.asking.lock();
        if asking.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let (engine, known) = (Arc::clone(&self.engine), self.known.clone());
        *asking = Some(tokio::spawn(async move {
            let health = engine.health().await;
            known.send_replace(Some((Instant::now(), health)));
        }));
    }
}
