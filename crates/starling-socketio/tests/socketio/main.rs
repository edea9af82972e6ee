//! Socket.IO as its own clients see it: nodes over in-process ports, real sockets, and the clients from npm and PyPI
//! as other processes. The scripts are in `tests/socketio/`.

#![allow(
    clippy::unwrap_used,
    reason = "a helper's failure is its test's, and clippy.toml covers only the tests"
)]
#![allow(
    clippy::print_stdout,
    reason = "which client it was that failed is of interest"
)]

mod clients;
mod dialects;
mod front;
mod node;
mod polling;
mod recovery;
mod refusals;
mod slow;
