//! What is not promised, shown as precisely as what is.

use starling_model::Ask::{Add, Message, Remove};
use starling_model::Kind::Cut;
use starling_model::properties::REFUSED;
use starling_model::{Config, explore};

/// A refusal speaks for the membership that it was judged by. If a client sends again over another connection, is
/// refused there, and is made a member again before the first node has as much as looked at its first try, that try
/// is stored: no node can know of what waits on another. (Once looked at, it is bound to the membership of then; and
/// a node that knows that the connection has ended gives up what it has not looked at.)
#[test]
fn a_refusal_does_not_outlive_the_membership_it_was_judged_by() {
    let config = Config::new("strict refusals", &[Remove, Add], &[Message]).faults(1, &[Cut]);
    let explored = explore(&config);
    assert!(explored.violated.is_empty(), "{explored}");
    let explored = explore(&config.strict_refusals());
    println!("{explored}");
    assert_eq!(explored.violated.first().map(|(name, _)| *name), Some(REFUSED));
}
