//! Sets of seqs.

use starling_protocol::Seq;

/// A set of seqs as ranges. Nearly always there is one, which grows at its end.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(Seq, Seq)>);

impl Ranges {
    /// Adds `from` to `to`, both included; nothing if there is nothing between them.
    pub(crate) fn insert(&mut self, from: Seq, to: Seq) {
        if from > to {
            return;
        }
        // Everything that overlaps or touches becomes one.
        let first = self.0.partition_point(|(_, end)| end.saturating_add(1) < from);
        let count = self.0[first..]
            .iter()
            .take_while(|(start, _)| *start <= to.saturating_add(1))
            .count();
        let merged = self.0[first..first + count]
            .iter()
            .fold((from, to), |(low, high), (start, end)| {
                (low.min(*start), high.max(*end))
            });
        if count == 1 {
            self.0[first] = merged;
        } else {
            self.0.splice(first..first + count, [merged]);
        }
    }

    /// The last seq of the run that begins right after `base`; `base` itself if there is none.
    pub(crate) fn reach(&self, base: Seq) -> Seq {
        let next = base.saturating_add(1);
        let index = self.0.partition_point(|(_, end)| *end < next);
        match self.0.get(index) {
            Some((start, end)) if *start <= next => *end,
            _ => base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_merge_and_reach() {
        let mut set = Ranges::default();
        assert_eq!(set.reach(3), 3);
        for (from, to, expected) in [
            (5, 5, vec![(5, 5)]),
            (6, 7, vec![(5, 7)]),
            (10, 12, vec![(5, 7), (10, 12)]),
            (1, 2, vec![(1, 2), (5, 7), (10, 12)]),
            (9, 8, vec![(1, 2), (5, 7), (10, 12)]),
            (8, 8, vec![(1, 2), (5, 8), (10, 12)]),
            (3, 9, vec![(1, 12)]),
            (20, 21, vec![(1, 12), (20, 21)]),
            (4, 5, vec![(1, 12), (20, 21)]),
        ] {
            set.insert(from, to);
            assert_eq!(set.0, expected, "after {from} to {to}");
        }
        for (base, reach) in [(0, 12), (5, 12), (12, 12), (13, 13), (19, 21), (20, 21), (21, 21)] {
            assert_eq!(set.reach(base), reach, "from {base}");
        }
    }
}
