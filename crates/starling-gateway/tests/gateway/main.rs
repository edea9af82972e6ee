//! The gateway over real sockets: a node of in-process ports, clients of tokio-tungstenite.

#![allow(
    clippy::unwrap_used,
    reason = "a helper's failure is its test's, and clippy.toml covers only the tests"
)]

mod authentication;
mod client;
mod endings;
mod frames;
mod handshake;
mod node;
mod talking;
