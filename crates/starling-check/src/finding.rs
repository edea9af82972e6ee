//! Violations: how many, and the one that takes the fewest lines to show.

/// A line that shows a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Of the history, by index.
    History(usize),
    /// Of the store's state, by index.
    Store(usize),
}

/// The violations of one invariant.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) count: u64,
    pub(crate) shortest: Option<Finding>,
}

/// One violation.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) says: String,
    pub(crate) lines: Vec<Line>,
}

impl Findings {
    /// Counts a violation. `says`, one sentence, is asked for only if no shorter one is known.
    pub(crate) fn add(&mut self, lines: impl IntoIterator<Item = Line>, says: impl FnOnce() -> String) {
        self.count += 1;
        let lines: Vec<Line> = lines.into_iter().collect();
        if self
            .shortest
            .as_ref()
            .is_none_or(|known| lines.len() < known.lines.len())
        {
            self.shortest = Some(Finding { says: says(), lines });
        }
    }
}

/// The lines of the history with these indices, where there are such.
pub(crate) fn history(lines: impl IntoIterator<Item = Option<usize>>) -> impl Iterator<Item = Line> {
    lines.into_iter().flatten().map(Line::History)
}
