//! The rules of what a store keeps, as changes of single records: what guards an update, and what is left of it.
//!
//! A store that runs in this process loads a record, changes it here and saves it; [`crate::memory`] and SQLite do so.
//! One that runs elsewhere (MongoDB) says the same in its own language; the contract's cases hold both to the ports' docs.
//!
//! Each change says whether the record is another one now, and so has to be saved.

mod altered;
mod conversation;
mod governance;
mod member;
mod pair;
mod sign_in;

pub use altered::{Altered, Change};
pub use governance::{Invite, Sanctions};
pub use pair::{Pair, Side};
pub use sign_in::SignInState;

use starling_protocol::Seq;

use crate::{defect, planted};

/// Whether what an entry at `changed` has made is older than what the one at `seq` makes of it.
fn is_older(changed: Seq, seq: Seq) -> bool {
    changed < seq || planted(defect::EFFECTS_UNGUARDED)
}
