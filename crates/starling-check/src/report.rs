//! What came out, for people and for exit codes.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::finding::{Findings, Line};
use crate::history::Record;
use crate::invariants::Invariant;
use crate::recovery::{Fault, Recovery, Times};
use crate::store::StoreRecord;

/// A line of an excerpt is cut off here.
const LINE: usize = 800;
/// Lines of an excerpt.
const LINES: usize = 8;

/// What a history and a store's state say about the invariants.
#[derive(Debug, Clone)]
pub struct Report {
    /// One for each of [`Invariant::ALL`], in that order.
    pub verdicts: Vec<Verdict>,
    /// What was counted.
    pub figures: Figures,
    /// How long conversations took to be of use again.
    pub recovery: Recovery,
    /// The faults, in the order of their starts. Those without strikes are for the caller to judge.
    pub faults: Vec<Fault>,
}

/// One invariant: held, or violated.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Which.
    pub invariant: Invariant,
    /// How often it was violated.
    pub violations: u64,
    /// The violation that takes the fewest lines to show.
    pub excerpt: Option<Excerpt>,
}

/// Lines that show a violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// What they show, in one sentence.
    pub says: String,
    /// A handful of lines, each with the file and the line number that it has there.
    pub lines: Vec<String>,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Clients that connected.
    pub clients: u64,
    /// Clients that were connected at the end.
    pub finished: u64,
    /// Connections beyond each client's first.
    pub reconnects: u64,
    /// Sends that the application was told are stored.
    pub sends_ok: u64,
    /// Sends that were refused.
    pub sends_fail: u64,
    /// Sends of which nothing is known.
    pub sends_info: u64,
    /// Entries that came in streams.
    pub deliveries: u64,
    /// Acknowledged sends that are not stored where they should be.
    pub lost: u64,
    /// Entries that came in a stream again.
    pub doubled: u64,
    /// Places where a stream left something out.
    pub gaps: u64,
    /// Entries that came late in their stream, and violations of I5.
    pub order_violations: u64,
    /// Holes in logs that were sealed.
    pub voids: u64,
}

impl Verdict {
    pub(crate) fn new(
        invariant: Invariant,
        findings: Findings,
        history: &[Record],
        store: &[StoreRecord],
    ) -> Self {
        let excerpt = findings.shortest.map(|finding| Excerpt {
            says: finding.says,
            lines: finding
                .lines
                .iter()
                .take(LINES)
                .map(|line| show(*line, history, store))
                .collect(),
        });
        Self {
            invariant,
            violations: findings.count,
            excerpt,
        }
    }
}

fn show(line: Line, history: &[Record], store: &[StoreRecord]) -> String {
    let (name, index, json) = match line {
        Line::History(index) => ("history", index, serde_json::to_string(&history[index])),
        Line::Store(index) => ("store", index, serde_json::to_string(&store[index])),
    };
    let mut json = json.unwrap_or_default();
    if let Some((end, _)) = json.char_indices().nth(LINE) {
        json.truncate(end);
        json.push('…');
    }
    format!("{name}:{} {json}", index + 1)
}

impl Report {
    /// Whether any invariant was violated.
    pub fn is_violated(&self) -> bool {
        self.verdicts.iter().any(|verdict| verdict.violations > 0)
    }

    /// The verdict on one invariant.
    pub fn verdict(&self, invariant: Invariant) -> Option<&Verdict> {
        self.verdicts
            .iter()
            .find(|verdict| verdict.invariant == invariant)
    }

    /// The invariants that were violated, in their order.
    pub fn violated(&self) -> impl Iterator<Item = Invariant> {
        let violated = self.verdicts.iter().filter(|verdict| verdict.violations > 0);
        violated.map(|verdict| verdict.invariant)
    }

    /// Faults that struck nothing.
    pub fn unstruck(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| fault.strikes == 0)
    }

    /// For each violated invariant the sentence and the lines that show it; empty if all held.
    pub fn excerpts(&self) -> String {
        let mut text = String::new();
        for verdict in &self.verdicts {
            let Some(excerpt) = &verdict.excerpt else { continue };
            let (invariant, count) = (verdict.invariant, verdict.violations);
            text += &format!("{invariant} violated {count} times: {}\n", invariant.promise());
            text += &format!("  {}\n", excerpt.says);
            for line in &excerpt.lines {
                text += &format!("    {line}\n");
            }
        }
        text
    }

    /// Recovery by fault, a line for each, the slowest first.
    pub fn recovery_by_fault(&self) -> String {
        let mut faults: Vec<_> = self.recovery.by_fault.iter().collect();
        faults.sort_by_key(|(_, times)| std::cmp::Reverse((times.never, times.max())));
        let width = faults
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or_default();
        let line = |(name, times): (&String, &Times)| format!("{name:width$}  {}\n", Spread(times));
        faults.into_iter().map(line).collect()
    }

    /// The outcome in at most twelve lines.
    pub fn table(&self) -> String {
        let figures = &self.figures;
        let struck = self.faults.iter().filter(|fault| fault.strikes > 0).count();
        let mut lines = vec![
            format!(
                "sends             {} ok, {} fail, {} info",
                figures.sends_ok, figures.sends_fail, figures.sends_info
            ),
            format!(
                "deliveries        {} to {} clients, {} connected at the end, {} reconnects",
                figures.deliveries, figures.clients, figures.finished, figures.reconnects
            ),
            format!("lost              {}", figures.lost),
            format!("doubled           {}", figures.doubled),
            format!("gaps              {}", figures.gaps),
            format!("order violations  {}", figures.order_violations),
            format!("voids             {}", figures.voids),
            format!("recovery          {}", Spread(&self.recovery.all)),
            format!(
                "faults            {struck} of {} struck{}",
                self.faults.len(),
                self.idle()
            ),
        ];
        for half in self.verdicts.chunks(5) {
            let words: Vec<String> = half.iter().map(ToString::to_string).collect();
            lines.push(format!("invariants        {}", words.join(", ")));
        }
        let verdict = if self.is_violated() {
            "VIOLATED"
        } else {
            "nothing violated"
        };
        lines.push(format!("verdict           {verdict}"));
        lines.join("\n") + "\n"
    }

    /// The names of faults that struck nothing, a few of them.
    fn idle(&self) -> String {
        let mut names: Vec<&str> = self.unstruck().map(|fault| fault.name.as_str()).collect();
        names.dedup();
        let more = if names.len() > 3 { ", …" } else { "" };
        names.truncate(3);
        if names.is_empty() {
            String::new()
        } else {
            format!("; in vain: {}{more}", names.join(", "))
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.violations {
            0 => write!(f, "{} held", self.invariant),
            count => write!(f, "{} VIOLATED ({count})", self.invariant),
        }
    }
}

/// Times as `p50 0.21 s, p95 1.80 s, max 2.10 s (120 measured)`.
struct Spread<'a>(&'a Times);

impl fmt::Display for Spread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = self.0;
        let seconds = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64();
        if times.count() == 0 {
            f.write_str("nothing measured")?;
        } else {
            write!(
                f,
                "p50 {:.2} s, p95 {:.2} s, max {:.2} s ({} measured)",
                seconds(times.quantile(0.5)),
                seconds(times.quantile(0.95)),
                seconds(times.max()),
                times.count()
            )?;
        }
        match times.never {
            0 => Ok(()),
            never => write!(f, ", {never} never"),
        }
    }
}
