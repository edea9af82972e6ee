//! The load: some sixty clients that send, read, join and leave in a dozen conversations, all of it recorded.

mod cast;
mod participant;
mod progress;
mod talk;

pub(crate) use cast::{BYSTANDERS, Cast};
pub(crate) use participant::Participant;

pub(crate) use talk::Talk;
