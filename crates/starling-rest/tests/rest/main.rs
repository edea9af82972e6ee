//! The HTTP entrance over an engine on in-process ports. Every answer in every test is held to the OpenAPI
//! document that the router serves.

#![allow(clippy::unwrap_used, reason = "in a test that is how to fail")]

mod conversations;
mod cors;
mod document;
mod entries;
mod errors;
mod messages;
mod moderation;
mod people;
mod presence;
mod probes;
mod statistics;
mod support;
