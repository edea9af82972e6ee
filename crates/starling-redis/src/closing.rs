//! The signal to end.

use tokio::sync::watch;

/// Gives the signal.
pub(crate) struct Close(watch::Sender<bool>);

impl Close {
    pub(crate) fn now(&self) {
        self.0.send_replace(true);
    }
}

/// Waits for the signal.
#[derive(Clone)]
pub(crate) struct Closing(watch::Receiver<bool>);

impl Closing {
    pub(crate) fn new() -> (Close, Self) {
        let (close, closing) = watch::channel(false);
        (Close(close), Self(closing))
    }

    /// Returns once the signal was given, or cannot be any more.
    pub(crate) async fn wait(&mut self) {
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}
