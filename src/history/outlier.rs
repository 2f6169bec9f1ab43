//! A spike that stands alone, and what it counts as.

use jiff::Timestamp;

use super::{History, MarkKind};
use crate::units::Period;

/// What one spike may count as, as a multiple of the highest load of all other days. A counter that was read wrongly
/// gives hundreds of it; the record days of real services rarely give two.
const OUTLIER_FACTOR: f64 = 2.0;
/// Longest time that a spike may stand above that; what lasts longer is load.
const OUTLIER_LONGEST: Period = Period(1800);
/// Time on either side in which nothing vouches for a spike: its own day, wherever midnight falls.
const OUTLIER_AROUND: Period = Period::DAY;
/// Samples of other days that it takes to call anything alone.
const OUTLIER_OTHERS: Period = Period(2 * Period::WEEK.0);

/// A spike that stands alone: too short, too high and too rare to plan for at its full height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlier {
    /// The moment of its highest step.
    pub at: Timestamp,
    /// The load there.
    pub seen: f64,
    /// The load that it counts as.
    pub counted: f64,
}

impl History {
    /// The spike that stands alone, if there is one: more than twice the load of all other days, for half an hour
    /// at most, and over. No number is lowered by it: where it was demand after all, observed load still says so.
    #[must_use]
    pub fn outlier(&self) -> Option<Outlier> {
        let plain = self.unmasked();
        let finite = |value: &&f64| value.is_finite();
        let (top, seen) = plain
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, value)| value.is_finite())
            .max_by(|a, b| a.1.total_cmp(&b.1))?;
        let around = OUTLIER_AROUND.steps(self.step);
        let (from, to) = (top.saturating_sub(around), (top + around + 1).min(plain.len()));
        let others = || plain[..from].iter().chain(&plain[to..]).filter(finite);
        let counted = OUTLIER_FACTOR * others().copied().max_by(f64::total_cmp)?;
        let above = |value: &f64| *value > counted;
        let steps = plain[from..to].iter().filter(|value| above(value)).count();
        let over = self.values.last().is_some_and(|last| !above(last));
        let alone = (1..=OUTLIER_LONGEST.steps(self.step).max(1)).contains(&steps)
            && others().count() >= OUTLIER_OTHERS.steps(self.step);
        (alone && over && counted > 0.0).then(|| Outlier { at: self.time(top), seen, counted })
    }

    /// The values that no mask explains; NaN elsewhere.
    fn unmasked(&self) -> Vec<f64> {
        let mut values = self.values.clone();
        for mark in self.marks.iter().filter(|mark| mark.kind == MarkKind::Masked) {
            values[self.span(mark.from, mark.to)].fill(f64::NAN);
        }
        values
    }

    /// The history with its [outlier](Self::outlier) at what it counts as: what a forecast learns from.
    #[must_use]
    pub fn tempered(&self) -> Self {
        let mut tempered = self.clone();
        if let Some(Outlier { counted, .. }) = self.outlier() {
            // `f64::min` would turn a gap into a number
            tempered.values.iter_mut().for_each(|value| {
                if *value > counted {
                    *value = counted;
                }
            });
        }
        tempered
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;
    use crate::history::second;

    /// Three weeks of hours at 10 and 20 rps by turns.
    fn three_weeks() -> History {
        let values = (0..504).map(|hour| if hour % 2 == 0 { 10.0 } else { 20.0 }).collect();
        let marks = Vec::new();
        History { start: second(0), step: Period(1800), values, marks, newest: second(0) }
    }

    #[test]
    fn a_spike_that_stands_alone_counts_as_twice_the_load_of_all_other_days() {
        let mut history = three_weeks();
        history.values.extend(three_weeks().values);
        assert_eq!(history.outlier(), None);
        history.values[300] = 2000.0;
        let found = Outlier { at: second(300 * 1800), seen: 2000.0, counted: 40.0 };
        assert_eq!(history.outlier(), Some(found));
        let tempered = history.tempered();
        assert_eq!(tempered.values[300], 40.0);
        assert_eq!(tempered.values[301], 20.0);
        assert_eq!(tempered.outlier(), None);
    }

    #[test]
    fn what_lasts_recurs_goes_on_or_is_no_record_is_load_and_no_outlier() {
        let mut whole = three_weeks();
        whole.values.extend(three_weeks().values);
        let with = |steps: &[usize], value: f64| {
            let mut history = whole.clone();
            for step in steps {
                history.values[*step] = value;
            }
            history.outlier()
        };
        assert!(with(&[300], 2000.0).is_some());
        assert_eq!(with(&[300, 301], 2000.0), None, "an hour");
        assert_eq!(with(&[300, 700], 2000.0), None, "two days of it");
        assert_eq!(with(&[1007], 2000.0), None, "still going on");
        assert_eq!(with(&[300], 39.0), None, "a record day");
        let mut masked = whole.clone();
        masked.values[300] = 2000.0;
        masked.marks = vec![masked.mark(&(300..301), MarkKind::Masked, "load test".to_owned())];
        assert_eq!(masked.outlier(), None, "explained");
        let mut short = three_weeks().until(second(300 * 1800));
        short.values[100] = 2000.0;
        assert_eq!(short.outlier(), None, "six days say nothing of what is usual");
    }
}
