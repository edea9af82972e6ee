//! The faults. Each is a name and a function that does it, puts it right again, and proves that it struck.

mod balancer;
mod clients;
mod counters;
mod frames;
mod links;
mod mix;
mod mongo;
mod nodes;
mod quiet;
mod redis;

use anyhow::Result;
use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::stage::{Strike, Strikes};

/// Something that may happen to a cluster.
pub struct Fault {
    /// By which it is asked for, and found in a history.
    pub name: &'static str,
    /// What happens, in a few words.
    pub about: &'static str,
    pub(crate) strike: for<'a> fn(&'a Strike<'a>) -> LocalBoxFuture<'a, Result<Strikes>>,
}

/// The fault of this name.
pub(crate) fn find(name: &str) -> Option<&'static Fault> {
    FAULTS.iter().find(|fault| fault.name == name)
}

macro_rules! faults {
    ($($name:literal, $about:literal => |$strike:ident| $work:expr;)*) => {
        /// All faults that a plan strikes.
        pub const FAULTS: &[Fault] = &[$(Fault {
            name: $name,
            about: $about,
            strike: |$strike| $work.boxed_local(),
        }),*];
    };
}

faults! {
    "crash-after-lease", "a node dies with a lease, before it reserved" =>
        |strike| nodes::crash_at(strike, "after_lease");
    "crash-after-reserve", "a node dies with places reserved" =>
        |strike| nodes::crash_at(strike, "after_reserve");
    "crash-before-insert", "a node dies with a batch ready to insert" =>
        |strike| nodes::crash_at(strike, "before_insert");
    "crash-after-insert", "a node dies with a batch stored that nobody knows of" =>
        |strike| nodes::crash_at(strike, "after_insert");
    "crash-after-publish", "a node dies with a batch announced" =>
        |strike| nodes::crash_at(strike, "after_publish");
    "crash-before-release", "a node dies before it gives its lease back" =>
        |strike| nodes::crash_at(strike, "before_release");
    "quiet-crash", "a node dies with an entry stored, in a conversation that nobody writes to again" =>
        |strike| quiet::crash(strike);
    "quiet-missed", "nodes cannot hear the last entry of a conversation that nobody writes to again, and its node dies" =>
        |strike| quiet::missed(strike);
    "node-killed", "a node gets SIGKILL under load" =>
        |strike| nodes::killed(strike);
    "holder-stalled", "a node with a batch built is stopped for more than three leases, then goes on" =>
        |strike| nodes::holder_stalled(strike);

    "redis-restarted", "Redis is killed and comes back empty" =>
        |strike| redis::restarted(strike);
    "redis-flushed", "Redis loses all that it holds" =>
        |strike| redis::flushed(strike);
    "redis-stopped", "Redis does not answer for 5 s" =>
        |strike| redis::stopped(strike);
    "pubsub-killed", "the connections that carry pub/sub are killed" =>
        |strike| redis::pubsub_killed(strike);
    "counters-back", "counters in Redis are set back" =>
        |strike| counters::set_back(strike);
    "counters-ahead", "counters in Redis are set ahead" =>
        |strike| counters::set_ahead(strike);
    "counters-stale", "counters and heads in Redis go back together, as after a failover to a stale replica" =>
        |strike| counters::stale(strike);

    "primary-killed", "the primary gets SIGKILL" =>
        |strike| mongo::primary_killed(strike);
    "primary-stopped", "the primary is stopped for 15 s, then goes on" =>
        |strike| mongo::primary_stopped(strike);
    "primary-dies-alone", "the primary dies while no other member has its last writes" =>
        |strike| mongo::primary_dies_alone(strike);
    "primary-steps-down", "the primary steps down" =>
        |strike| mongo::primary_steps_down(strike);

    "redis-link-cut", "connections from nodes to Redis are reset and refused" =>
        |strike| links::redis(strike, links::CUT);
    "redis-link-black-hole", "nothing passes between nodes and Redis" =>
        |strike| links::redis(strike, links::BLACK_HOLE);
    "redis-link-delayed", "all between nodes and Redis takes 300 ms longer, either way" =>
        |strike| links::redis(strike, links::DELAYED);
    "redis-link-replies-dropped", "nodes' commands reach Redis, replies do not reach the nodes" =>
        |strike| links::redis(strike, links::REPLIES_DROPPED);
    "mongo-link-cut", "connections from nodes to MongoDB are reset and refused" =>
        |strike| links::mongo(strike, links::CUT);
    "mongo-link-black-hole", "nothing passes between nodes and MongoDB" =>
        |strike| links::mongo(strike, links::BLACK_HOLE);
    "mongo-link-delayed", "all between nodes and MongoDB takes 300 ms longer, either way" =>
        |strike| links::mongo(strike, links::DELAYED);
    "mongo-link-replies-dropped", "nodes' commands reach MongoDB, replies do not reach the nodes" =>
        |strike| links::mongo(strike, links::REPLIES_DROPPED);

    "haproxy-reloaded", "HAProxy is reloaded ten times" =>
        |strike| balancer::reloaded(strike);
    "reconnect-storm", "all clients lose their connections at once, three times" =>
        |strike| clients::storm(strike);
    "slow-readers", "clients stop reading, some of them while they ask for more" =>
        |strike| clients::slow_readers(strike);
    "malformed-frames", "clients that do not speak the protocol" =>
        |strike| frames::malformed(strike);
    "oversized-frames", "clients that send frames larger than allowed" =>
        |strike| frames::oversized(strike);
    "random-mix", "three faults at the same time, drawn at random" =>
        |strike| mix::at_random(strike);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_window_has_its_fault() {
        let names: BTreeSet<_> = FAULTS.iter().map(|fault| fault.name).collect();
        assert_eq!(names.len(), FAULTS.len());
        for window in starling_core::WINDOWS {
            let name = format!("crash-{}", window.replace('_', "-"));
            assert!(names.contains(name.as_str()), "{name}");
        }
    }
}
