//! The model, explored: sound within its bounds, and able to find what is wrong.

#![allow(
    clippy::print_stdout,
    reason = "the sizes of the explorations and the ways to violations are what these tests show"
)]

mod defects;
mod limits;
mod sound;
