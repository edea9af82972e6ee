//! The binary as a person or a script meets it: what it prints, what it refuses, how it exits.

#![allow(clippy::unwrap_used, reason = "in a test that is how to fail")]

mod commands;
mod serving;
mod support;
