//! The load: some sixty clients that send, read, join, leave, and are governed in a dozen conversations, all of it recorded.

mod cast;
mod governor;
mod participant;
mod progress;
mod talk;

pub(crate) use cast::{BYSTANDERS, Cast};
pub(crate) use participant::Participant;

pub(crate) use talk::Talk;
