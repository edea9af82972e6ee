//! Tokens: checking those that clients bring, and minting ones to try things with.

mod authority;
mod mint;
mod public_key;
#[cfg(test)]
mod tests;

pub(crate) use authority::TokenAuthority;
pub(crate) use mint::{TokenRequest, mint};
pub(crate) use public_key::PublicKey;
