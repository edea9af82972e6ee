//! The HTTP entrance: conversations, members, messages and history, signing in, profiles and contacts under `/v1/`,
//! the probes, the metrics, and the OpenAPI document of all of it.
//!
//! Architecture invariant: nothing is decided here. Every request under `/v1/` becomes one command of the native
//! protocol, or one call of [`starling_core::people`], carried out by the engine; what differs is the shape. Every error, whoever found it, leaves as
//! `{"error":{"code":…,"message":…}}` with the HTTP status that goes with its code.

mod auth;
mod blocks;
mod caller;
mod contacts;
mod conversations;
mod entries;
mod error;
mod examples;
mod extract;
mod me;
mod members;
mod messages;
mod moderation;
mod observe;
mod openapi;
mod presence;
mod probes;
mod readiness;
mod receipts;
mod rest;
mod statistics;

pub use openapi::openapi;
pub use rest::{ClientAddress, CorsOrigin, Departure, RenderMetrics, Rest, RestSettings, router};
