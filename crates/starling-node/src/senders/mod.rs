//! What the node sends to services of the operator's: codes for people, and events.

mod events;
mod log;
mod webhook;

pub(crate) use events::EventPost;
pub(crate) use log::LogSender;
pub(crate) use webhook::{WebhookSender, WebhookSettings};
