//! The HTTP entrance: conversations, members, messages and history under `/v1/`, the probes, the metrics, and
//! the OpenAPI document of all of it.
//!
//! Architecture invariant: nothing is decided here. Every request under `/v1/` becomes one command of the native
//! protocol, carried out by the engine; what differs is the shape. Every error, whoever found it, leaves as
//! `{"error":{"code":…,"message":…}}` with the HTTP status that goes with its code.

mod caller;
mod conversations;
mod entries;
mod error;
mod examples;
mod extract;
mod members;
mod observe;
mod openapi;
mod presence;
mod probes;
mod readiness;
mod receipts;
mod rest;

pub use openapi::openapi;
pub use rest::{CorsOrigin, Departure, RenderMetrics, Rest, RestSettings, router};
