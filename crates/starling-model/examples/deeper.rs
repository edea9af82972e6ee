//! Explores configurations that are too large for the tests: each takes minutes and some gigabytes.
//!
//! `cargo run -p starling-model --example deeper [part of a name]`

#![allow(clippy::print_stdout, reason = "the result is its output")]

use starling_model::Ask::{Add, Message, Remove};
use starling_model::Kind::{
    Apply, Counter, Crash, Cut, Election, Expire, FailOver, Flush, GiveUp, Lag, Publish, Recover, Redis,
    Retire, Unknown,
};
use starling_model::{Config, explore, explore_rest};

fn main() {
    let any = [
        Crash, Cut, Unknown, Expire, Flush, FailOver, Counter, Redis, Apply, Publish, GiveUp, Recover, Retire,
    ];
    let twice = [any, any].concat();
    let configurations = [
        Config::new("any three", &[Remove], &[Message]).faults(3, &any),
        Config::new("any two, more sends", &[Remove, Message], &[Message]).faults(2, &twice),
        Config::new("any two, added again", &[Remove, Add], &[Message]).faults(2, &twice),
        Config::new("any two behind each other", &[Remove], &[Message, Message]).faults(2, &twice),
        Config::new("elections", &[Remove], &[Message]).faults(
            3,
            &[
                Election, Election, Lag, Lag, Unknown, Unknown, Crash, Cut, Redis, Expire, Recover,
            ],
        ),
        Config::new("three nodes", &[Remove], &[Message])
            .nodes(3)
            .faults(2, &any),
    ];
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for config in configurations {
        if !config.name.contains(&wanted) {
            continue;
        }
        let explored = explore(&config);
        println!("{explored}");
        if explored.violated.is_empty() {
            let rest = explore_rest(&config);
            println!("  {} states at rest; stuck: {:?}", rest.at_rest, rest.stuck);
        }
    }
}
