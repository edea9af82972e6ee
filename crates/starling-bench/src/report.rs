//! The figures of several runs: medians and ratios.

use std::collections::BTreeMap;

/// Which system a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum System {
    Yardstick,
    Starling,
    StarlingJson,
    /// By the yardstick's own protocol.
    StarlingSocketIo,
    /// One node without any service, MessagePack.
    Standalone,
}

impl System {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Yardstick => "yardstick",
            Self::Starling => "starling, msgpack",
            Self::StarlingJson => "starling, json",
            Self::StarlingSocketIo => "starling, socket.io",
            Self::Standalone => "starling, one machine",
        }
    }

    /// Whether it is one of the two that are compared in every case; the others are other ways to Starling, or run it.
    pub(crate) fn is_compared(self) -> bool {
        matches!(self, Self::Yardstick | Self::Starling)
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Better {
    /// Of this figure more is better; the goal, if there is one, as a multiple of the yardstick's.
    More(Option<f64>),
    /// Less is better; the goal, if there is one, as a bound.
    Less(Option<f64>),
}

#[derive(Debug)]
struct Row {
    name: String,
    better: Better,
    figures: BTreeMap<System, Vec<f64>>,
}

/// All rows, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Row>);

impl Report {
    /// Notes one run's figure.
    pub(crate) fn note(&mut self, name: &str, better: Better, system: System, figure: f64) {
        let row = match self.0.iter_mut().position(|row| row.name == name) {
            Some(row) => &mut self.0[row],
            None => {
                self.0.push(Row {
                    name: name.to_owned(),
                    better,
                    figures: BTreeMap::new(),
                });
                let last = self.0.len() - 1;
                &mut self.0[last]
            }
        };
        row.figures.entry(system).or_default().push(figure);
    }

    /// The table, one row for each figure: the medians, the ratios to the yardstick (of MessagePack and of Socket.IO),
    /// the goal.
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "{:<58} {:>10} {:>10} {:>10} {:>10} {:>10} {:>8} {:>8}  {}\n",
            "medians", "yardstick", "msgpack", "json", "socket.io", "standalone", "ratio", "s.io", "goal"
        );
        for row in &self.0 {
            let median = |system| row.figures.get(&system).map(|figures| median(figures));
            let (yardstick, starling) = (median(System::Yardstick), median(System::Starling));
            let socketio = median(System::StarlingSocketIo);
            let times = |figure: Option<f64>| Some(figure? / yardstick?);
            let ratio = times(starling);
            let goal = match row.better {
                Better::More(Some(goal)) => {
                    verdict(&format!("{goal:.0} x"), ratio.map(|ratio| ratio >= goal))
                }
                Better::Less(Some(goal)) => {
                    let met = starling.or(socketio).map(|figure| figure < goal);
                    verdict(&format!("under {goal}"), met)
                }
                _ => String::new(),
            };
            table += &format!(
                "{:<58} {:>10} {:>10} {:>10} {:>10} {:>10} {:>8} {:>8}  {goal}\n",
                row.name,
                shown(yardstick),
                shown(starling),
                shown(median(System::StarlingJson)),
                shown(socketio),
                shown(median(System::Standalone)),
                written(ratio),
                written(times(socketio)),
            );
        }
        table
    }
}

fn verdict(goal: &str, met: Option<bool>) -> String {
    match met {
        Some(true) => format!("{goal}: met"),
        Some(false) => format!("{goal}: MISSED"),
        None => goal.to_owned(),
    }
}

fn written(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.1}"))
}

fn shown(figure: Option<f64>) -> String {
    match figure {
        None => "-".to_owned(),
        Some(figure) if figure >= 100.0 => format!("{figure:.0}"),
        Some(figure) => format!("{figure:.1}"),
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_show_medians_ratios_and_goals() {
        let mut report = Report::default();
        for figure in [90.0, 100.0, 500.0] {
            report.note("sends", Better::More(Some(40.0)), System::Yardstick, figure);
        }
        report.note("sends", Better::More(Some(40.0)), System::Starling, 5000.0);
        report.note(
            "sends",
            Better::More(Some(40.0)),
            System::StarlingSocketIo,
            3000.0,
        );
        report.note("wait", Better::Less(Some(15.0)), System::Starling, 20.0);
        let table = report.table();
        let rows: Vec<Vec<_>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows[1],
            [
                "sends", "100", "5000", "-", "3000", "-", "50.0", "30.0", "40", "x:", "met"
            ]
        );
        assert_eq!(
            rows[2],
            [
                "wait", "-", "20.0", "-", "-", "-", "-", "-", "under", "15:", "MISSED"
            ]
        );
    }

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        assert_eq!(median(&[4.0, 1.0]), 2.5);
    }
}
