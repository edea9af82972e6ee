//! How codes are brought to people.

mod log;
mod webhook;

pub(crate) use log::LogSender;
pub(crate) use webhook::{WebhookSender, WebhookSettings};
