//! Running the scripts.

use starling_cluster::{RunningScript, SocketIoClients};

/// Starts a script against a URL.
pub(crate) fn start(script: &str, url: &str, env: &[(&str, &str)]) -> RunningScript {
    SocketIoClients::install()
        .unwrap()
        .start(script, url, env)
        .unwrap()
}

/// Runs a script to its end.
pub(crate) async fn run(script: &str, url: &str, env: &[(&str, &str)]) {
    SocketIoClients::install()
        .unwrap()
        .run(script, url, env)
        .await
        .unwrap();
}
