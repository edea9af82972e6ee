//! How long things took.

use std::time::Duration;

/// A collection of times, in microseconds (up to 71 minutes each).
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    pub(crate) fn note(&mut self, time: Duration) {
        self.0.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn merge(&mut self, other: Self) {
        if self.0.is_empty() {
            self.0 = other.0;
        } else {
            self.0.extend(other.0);
        }
    }

    /// Milliseconds at these shares of the sorted times (0.5 is the median), by nearest rank; 0 of an empty one.
    pub(crate) fn at<const N: usize>(mut self, shares: [f64; N]) -> [f64; N] {
        self.0.sort_unstable();
        shares.map(|share| {
            let rank = (self.0.len() as f64 * share).ceil() as usize;
            let time = self.0.get(rank.clamp(1, self.0.len().max(1)) - 1);
            f64::from(time.copied().unwrap_or_default()) / 1e3
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_nearest_rank() {
        let mut times = Latencies::default();
        for milliseconds in (1..=100).rev() {
            times.note(Duration::from_millis(milliseconds));
        }
        assert_eq!(times.at([0.5, 0.99, 0.999, 1.0]), [50.0, 99.0, 100.0, 100.0]);
        assert_eq!(Latencies::default().at([0.5]), [0.0]);
    }
}
