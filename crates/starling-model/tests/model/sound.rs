//! The sequencer as it is, in configurations that are small each and cover the faults together.

use std::collections::BTreeSet;

use starling_model::Ask::{Add, Message, Remove};
use starling_model::Kind::{
    Apply, Counter, Crash, Cut, Election, Expire, FailOver, Flush, GiveUp, Lag, Publish, Recover, Redis,
    Retire, Unknown,
};
use starling_model::properties::worth_seeing;
use starling_model::{Config, Kind, explore, explore_rest};

/// All kinds but those of elections, which have configurations of their own.
const ANY: [Kind; 13] = [
    Crash, Cut, Unknown, Expire, Flush, FailOver, Counter, Redis, Apply, Publish, GiveUp, Recover, Retire,
];

fn configurations() -> Vec<Config> {
    let twice = [ANY, ANY].concat();
    vec![
        Config::new("a removal races a send; any two faults", &[Remove], &[Message]).faults(2, &twice),
        Config::new(
            "a removal, and a send behind it; any two faults",
            &[Remove, Message],
            &[],
        )
        .faults(2, &twice),
        Config::new("removed and added again; any two faults", &[Remove, Add], &[]).faults(2, &twice),
        Config::new("two sends at once; any two faults", &[], &[Message, Message]).faults(2, &twice),
        Config::new("a removal; any three faults", &[Remove], &[]).faults(3, &ANY),
        Config::new("a send; any three faults", &[], &[Message]).faults(3, &twice),
        Config::new(
            "added again while a send is tried again",
            &[Remove, Add],
            &[Message],
        )
        .faults(2, &[Crash, Cut, Unknown]),
        Config::new("connections cut, operations given up", &[], &[Message, Message])
            .faults(3, &[Cut, Cut, GiveUp, Unknown]),
        Config::new(
            "a lease kept through many small batches",
            &[Message, Remove],
            &[Message],
        )
        .max_batch(1)
        .faults(2, &[Crash, Unknown, Expire, Flush]),
        Config::new("writes rolled back", &[Remove], &[Message]).faults(
            2,
            &[
                Election, Election, Unknown, Unknown, Crash, Cut, Redis, Expire, Recover,
            ],
        ),
        Config::new("batches rolled back", &[], &[Message, Message])
            .faults(2, &[Election, Election, Unknown, Unknown, Crash, Cut]),
        Config::new("a new primary lags", &[Remove], &[Message]).faults(
            2,
            &[Lag, Lag, Unknown, Unknown, Crash, Cut, Recover, Apply, Redis],
        ),
        Config::new("three nodes; any fault", &[Remove, Message], &[Message])
            .nodes(3)
            .faults(1, &ANY),
        Config::new("three nodes; two faults", &[Remove], &[Message])
            .nodes(3)
            .faults(2, &[Crash, Cut, Unknown]),
    ]
}

#[test]
fn every_promise_holds_and_rest_is_always_in_reach() {
    let mut seen = BTreeSet::new();
    for config in configurations() {
        let explored = explore(&config);
        println!("{explored}");
        assert!(explored.violated.is_empty(), "{explored}");
        seen.extend(explored.seen);
        let rest = explore_rest(&config);
        println!("  rest is in reach of all of them: {} states", rest.at_rest);
        assert_eq!(rest.stuck, None, "no rest is in reach any more");
        assert!(rest.at_rest > 0);
    }
    // Without this, a model in which nothing happens would pass.
    for event in worth_seeing() {
        assert!(seen.contains(event), "never seen: {event}");
    }
}
