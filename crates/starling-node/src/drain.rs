//! Being asked to go, and going in order.

use anyhow::Result;
use starling_rest::Departure;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use crate::serve::Server;
use crate::services::Services;
use crate::settings::Settings;

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on they no longer end the process by themselves.
    pub(crate) fn take() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => info!("SIGTERM"),
            _ = self.interrupt.recv() => info!("SIGINT"),
        }
    }
}

/// What is to be ended.
pub(crate) struct Node {
    pub(crate) services: Services,
    pub(crate) departure: Departure,
    pub(crate) server: Server,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Nothing was cut short.
    InOrder,
    /// The grace time was over.
    CutShort,
    /// A second signal.
    AtOnce,
}

/// Ends the node: says that it goes, waits until balancers know, takes no more, finishes what it has, tells the
/// sessions to go elsewhere, gives back what it holds. At most for the grace time; a second signal ends it at
/// once.
pub(crate) async fn drain(node: Node, settings: &Settings, signals: &mut Signals) -> Drained {
    let deadline = Instant::now() + settings.drain_grace;
    let ending = Box::pin(async {
        node.departure.announce();
        info!(delay = ?settings.drain_delay, "draining: balancers are told");
        tokio::time::sleep(settings.drain_delay).await;
        node.server.stop.send_replace(true);
        node.services.engine.drain().await;
        if !matches!(node.server.task.await, Ok(Ok(()))) {
            warn!("the server ended with an error");
        }
        node.services.close().await;
    });
    tokio::select! {
        ended = timeout_at(deadline, ending) => match ended {
            Ok(()) => Drained::InOrder,
            Err(_) => Drained::CutShort,
        },
        () = signals.next() => Drained::AtOnce,
    }
}
