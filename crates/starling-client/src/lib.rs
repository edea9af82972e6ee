//! A client of a Starling cluster that keeps its promises to the application while nodes come and go.
//!
//! - It connects to any of several nodes and, when a connection ends, to the next, as the close code says.
//! - It resumes each conversation behind the last entry it has: the application sees every entry exactly once,
//!   in the order of `seq` (I4). A hole is filled from the log before anything later is passed on (I8).
//! - It sends what is unanswered again under the same client id, oldest first, before anything newer (I5), and
//!   tells the application an outcome only when it is definite (I3).
//! - Its memory is bounded (I10): if the application does not take events, the client stops reading.
//!
//! ```no_run
//! # async fn example(token: String) -> Result<(), starling_client::Error> {
//! use starling_client::{Client, Event};
//! use starling_client::protocol::{Body, Content, UserId};
//!
//! let client = Client::builder(["ws://127.0.0.1:8080/ws"]).token(token).connect().await?;
//! let reader = client.clone();
//! tokio::spawn(async move {
//!     while let Ok(event) = reader.next_event().await {
//!         if let Event::Entry(entry) = event
//!             && let Body::Message(Content { text, .. }) = &entry.body
//!         {
//!             tracing::info!(seq = entry.seq, text);
//!         }
//!     }
//! });
//! let bob = UserId::new("bob").expect("a valid id");
//! let conversation = client.create_direct(bob).await?;
//! let sent = client.send(&conversation.id, "hello").await?;
//! tracing::info!(seq = sent.seq, "stored");
//! # Ok(()) }
//! ```

mod backoff;
mod builder;
mod client;
mod connection;
mod driver;
mod error;
mod event;
mod marks;
mod pending;
mod people;
mod session;
mod shared;
mod streams;
mod tap;
mod token;

pub use builder::{Builder, TokenError};
pub use client::{Client, Outcome};
pub use error::Error;
pub use event::Event;
pub use shared::Stats;
/// The wire types, which this library's signatures are made of.
pub use starling_protocol as protocol;
pub use starling_protocol::Codec;
pub use tap::Tapped;
