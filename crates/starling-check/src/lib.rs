//! What happened, recorded and judged.
//!
//! Starling promises that nothing acknowledged is lost, doubled or out of order under faults. This crate decides
//! whether that was so in a run: from the run's *history*, which a [`Recorder`] writes while clients and faults are at
//! work, and from the *store's state* after its end. It knows nothing of how the nodes work, and shares no code with
//! them but the wire types.
//!
//! ```text
//! starling-check DIR                       # DIR/history.jsonl and DIR/store.jsonl
//! starling-check --history F --store F
//! ```
//!
//! prints an excerpt for each violated invariant, then a table. It exits with 0 if every invariant held, 1 if one was
//! violated, and 2 if there is nothing that could be checked.
//!
//! # The history
//!
//! JSON lines, one [`Record`] each: `at` (nanoseconds since the run's start, by one monotonic clock), and what happened.
//!
//! | Kind | Says |
//! |---|---|
//! | `connected` `disconnected` | a client's connection, by its number (`epoch`), from the server's `ready` to its end |
//! | `sent` `answered` | each transmission of a send, and the reply to it |
//! | `sync` `synced` `stream` `entry` | the streams, from raw frames: what the client named, where each starts, what came |
//! | `marked` `receipts` | a mark was acknowledged; members' marks have come |
//! | `invoke`, then `ok` · `fail` · `info` | what the application asked for, and what it was told: done, definitely refused, not known |
//! | `fault` `healed` | what was done to the cluster, and that it is over |
//! | `finished` | where a client stands that was connected at the end |
//!
//! The frames are recorded below the client library, so that it cannot hide a double or a gap. What a client does is
//! recorded before it is done, what it learns after it was learned: what is recorded earlier happened earlier, as far
//! as anything here is concluded from it. See [`history`] for the fields and [`store`] for the store's state.
//!
//! # The judgement
//!
//! [`check`] decides the invariants I1 to I10 of the design, each by a module of its own that says exactly what counts
//! as a violation and what the protocol allows. It is meant to be sound: what it calls a violation is one. Where the
//! history leaves it open (the reply that would tell was lost), it does not.

mod altered;
mod checker;
mod client_recorder;
mod digest;
mod facts;
mod finding;
pub mod history;
mod invariants;
mod logs;
mod ranges;
mod read;
mod recorder;
mod recovery;
mod report;
mod rights;
mod sends;
pub mod store;

pub use checker::check;
pub use client_recorder::ClientRecorder;
pub use digest::Digest;
pub use history::Record;
pub use invariants::Invariant;
pub use read::{History, ReadError, read_history, read_store};
pub use recorder::Recorder;
pub use recovery::{Fault, Recovery, Times};
pub use report::{Excerpt, Figures, Report, Verdict};
