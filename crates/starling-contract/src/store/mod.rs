//! What decides.
#![allow(missing_docs, reason = "a case's name says what it holds the ports to")]

pub mod accounts;
pub mod contacts;
pub mod directory;
pub mod dissolution;
pub mod entry_log;
pub mod event_cursors;
pub mod governance;
pub mod messages;
pub mod presence;
pub mod sign_ins;
pub mod statistics;
