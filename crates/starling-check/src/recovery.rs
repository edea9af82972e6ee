//! How long conversations took to be of use again after a fault.
//!
//! Counted from a fault's start: in each conversation, to the first acknowledgement of a send that was made after
//! that. So a fault that nobody felt costs an ordinary send's time, and a conversation in which nobody spoke before the
//! next fault began says nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use crate::facts::Facts;
use crate::history::{Call, Phase, What};

/// Times to recovery, one for each fault and conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Over all faults.
    pub all: Times,
    /// By the fault's name.
    pub by_fault: BTreeMap<String, Times>,
}

/// Times of one kind, as a distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times {
    sorted: Vec<Duration>,
    /// Conversations in which somebody sent after a fault, and nothing was ever acknowledged.
    pub never: u64,
}

impl Times {
    /// How many were measured.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The time within which this share of the conversations recovered; `None` where nothing was measured.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        // The nearest rank: at least this share is not above it.
        let rank = (self.sorted.len() as f64 * share).ceil() as usize;
        self.sorted.get(rank.max(1) - 1).copied()
    }

    /// The longest time.
    pub fn max(&self) -> Option<Duration> {
        self.sorted.last().copied()
    }
}

/// A fault, from start to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub name: String,
    /// When it started, since the run's start.
    pub start: Duration,
    /// When it ended, if it did.
    pub stop: Option<Duration>,
    /// How often it struck.
    pub strikes: u64,
}

/// The faults, in the order of their starts.
pub(crate) fn faults(facts: &Facts<'_>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for (_, record) in facts.in_time() {
        let What::Fault {
            name, phase, strikes, ..
        } = &record.what
        else {
            continue;
        };
        let at = Duration::from_nanos(record.at);
        let open = |fault: &&mut Fault| fault.stop.is_none() && fault.name == **name;
        match (phase, faults.iter_mut().find(open)) {
            (Phase::Stop, Some(fault)) => {
                fault.stop = Some(at);
                fault.strikes += strikes.unwrap_or_default();
            }
            // One that stops without having started is listed all the same.
            (Phase::Start | Phase::Stop, _) => faults.push(Fault {
                name: name.to_string(),
                start: at,
                stop: (*phase == Phase::Stop).then_some(at),
                strikes: strikes.unwrap_or_default(),
            }),
        }
    }
    faults
}

/// A conversation's sends by the time of their call: each with the earliest acknowledgement from there on.
type Sends = Vec<(u64, Option<u64>)>;

pub(crate) fn recovery(facts: &Facts<'_>, faults: &[Fault]) -> Recovery {
    let conversations = sends(facts);
    let mut recovery = Recovery::default();
    for fault in faults {
        let start = u64::try_from(fault.start.as_nanos()).unwrap_or(u64::MAX);
        let next = faults
            .iter()
            .map(|other| other.start)
            .find(|other| *other > fault.start);
        let next = next.map_or(u64::MAX, |next| {
            u64::try_from(next.as_nanos()).unwrap_or(u64::MAX)
        });
        let times = recovery.by_fault.entry(fault.name.clone()).or_default();
        for sends in conversations.values() {
            let first = sends.partition_point(|(made, _)| *made < start);
            let Some((_, acknowledged)) = sends.get(first).filter(|(made, _)| *made < next) else {
                continue;
            };
            match acknowledged {
                Some(at) => times.sorted.push(Duration::from_nanos(at.saturating_sub(start))),
                None => times.never += 1,
            }
        }
    }
    for times in recovery.by_fault.values_mut() {
        times.sorted.sort_unstable();
        recovery.all.sorted.extend(&times.sorted);
        recovery.all.never += times.never;
    }
    recovery.all.sorted.sort_unstable();
    recovery
}

fn sends<'a>(facts: &Facts<'a>) -> HashMap<&'a str, Sends> {
    let mut open: HashMap<(&str, u64), (&str, usize)> = HashMap::new();
    let mut conversations: HashMap<&str, Sends> = HashMap::new();
    let mut given_up: HashSet<(&str, usize)> = HashSet::new();
    for (_, record) in facts.in_time() {
        match &record.what {
            What::Invoke {
                client,
                op,
                call: Call::Send { conversation, .. },
            } => {
                let sends = conversations.entry(conversation.as_str()).or_default();
                open.insert((client, *op), (conversation.as_str(), sends.len()));
                sends.push((record.at, None));
            }
            What::Ok { client, op, .. } => {
                if let Some((conversation, index)) = open.remove(&(client.as_ref(), *op))
                    && let Some(send) = conversations
                        .get_mut(conversation)
                        .and_then(|all| all.get_mut(index))
                {
                    send.1 = Some(record.at);
                }
            }
            // Nobody asks for it any more: it says nothing about when an answer could be had.
            What::Info { client, op, .. } => given_up.extend(open.remove(&(client.as_ref(), *op))),
            _ => {}
        }
    }
    for (conversation, sends) in &mut conversations {
        let mut index = 0..;
        sends.retain(|_| {
            index
                .next()
                .is_none_or(|index| !given_up.contains(&(*conversation, index)))
        });
        let mut earliest: Option<u64> = None;
        for (_, acknowledged) in sends.iter_mut().rev() {
            earliest = [earliest, *acknowledged].into_iter().flatten().min();
            *acknowledged = earliest;
        }
    }
    conversations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let times = |count: u64| Times {
            sorted: (1..=count).map(Duration::from_secs).collect(),
            never: 0,
        };
        for (count, share, expected) in [
            (0, 0.5, None),
            (1, 0.5, Some(1)),
            (1, 0.95, Some(1)),
            (4, 0.5, Some(2)),
            (20, 0.95, Some(19)),
            (20, 1.0, Some(20)),
        ] {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(times(count).quantile(share), expected, "{share} of {count}");
        }
    }
}
