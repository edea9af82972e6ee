//! The engine over in-process ports under paused time: what must hold, and what must hold under faults.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should panic where it stands"
)]

mod attempts;
mod authorisation;
mod cluster;
mod creation;
mod deletion;
mod delivery;
mod events;
mod faults;
mod history;
mod last;
mod limits;
mod membership;
mod messages;
mod moderation;
mod ordering;
mod people;
mod persons;
mod presence;
mod receipts;
mod resume;
mod stats;
mod typing;
mod undone;
