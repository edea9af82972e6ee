//! A network that can be made bad: every connection from a node to Redis or MongoDB passes a small TCP proxy.

mod link;
mod proxy;

pub(crate) use link::{Link, Weather};
pub(crate) use proxy::{Callers, Proxy};
