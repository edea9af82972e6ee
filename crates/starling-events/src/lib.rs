//! Systems outside that are told what is stored: a topic exchange and a queue of RabbitMQ, and a webhook.
//!
//! What is told when, and that nothing is left out, is decided by the engine, which reads the log and keeps the cursors;
//! see [`starling_core::ports::EventSink`]. This crate writes entries as events and brings them into safe keeping.
//! `docs/events.md` describes the events for those who read them.
//!
//! Architecture invariant: no other crate knows AMQP, and this one knows no other adapter.

mod payload;
mod rabbitmq;
mod signature;
mod timestamp;
mod webhook;

pub use payload::{Event, EventType};
pub use rabbitmq::{InvalidUrl, RabbitMq, RabbitMqSettings};
pub use signature::signature;
pub use webhook::{Post, Posted, Webhook};
