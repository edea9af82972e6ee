//! What passes on the wire, for those who want to see it as it is.

use std::sync::Arc;

use starling_protocol::{ClientFrame, ServerFrame};

/// See [`Builder::tap`](crate::Builder::tap).
#[derive(Debug, Clone, Copy)]
pub enum Tapped<'a> {
    /// A frame goes out. Where the connection breaks, the last ones may not have reached the network.
    Sent(&'a ClientFrame),
    /// A frame has come in; `ready`, the first one, says that a node has taken the connection.
    Received(&'a ServerFrame),
    /// The connection has ended.
    Disconnected {
        /// The close code: 1005 where the server gave none, 1006 where there was no close frame, and 1000 where
        /// the client itself said goodbye.
        code: u16,
    },
}

pub(crate) type Tap = Arc<dyn Fn(Tapped<'_>) + Send + Sync>;
