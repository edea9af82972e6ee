//! Tokens: checking those that clients bring, and making those of sessions and ones to try things with.

mod authority;
mod jwks;
mod mint;
mod public_key;
#[cfg(test)]
mod rotation_tests;
mod session_tokens;
#[cfg(test)]
mod tests;
mod verify_user;

pub(crate) use authority::TokenAuthority;
pub(crate) use jwks::{COOLDOWN, Jwks};
pub(crate) use mint::{TokenRequest, mint};
pub(crate) use public_key::PublicKey;
pub(crate) use session_tokens::SessionTokens;
pub(crate) use verify_user::VerifyUser;
