//! Questions to a forecast's sampled futures: how high a window goes, and when a level is reached.
//!
//! The futures know the errors of the last weeks step by step, and give the median of a window's peak well; its
//! upper half they set too low, because most surprises are records, higher than all errors seen. That half is
//! therefore read by the few windows that were seen and held against the [`Records`].

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::Forecast;
use super::interval::{level, score, student};
use super::records::Records;
use super::stats::count;
use crate::units::Period;

/// Fewest degrees of freedom: at six the 95 % quantile is read where the 97.5 % quantile was, which is wide enough
/// for windows as long as the history; fewer cost more in idle capacity than they save in surprises.
const FREEDOM_MIN: f64 = 6.0;

/// The distribution of the highest load within a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Peak {
    /// The highest value of each path, rising, the upper half raised for what paths cannot know.
    maxima: Vec<f64>,
}

impl Forecast {
    /// The distribution of the highest value over `steps`, cut to the horizon.
    #[must_use]
    pub fn peak(&self, steps: Range<usize>) -> Peak {
        let highest = |path: &Vec<f32>| {
            let end = steps.end.min(path.len());
            let window = &path[steps.start.min(end)..end];
            window.iter().copied().reduce(f32::max).map(f64::from)
        };
        let mut maxima: Vec<f64> = self.paths.iter().filter_map(highest).collect();
        maxima.sort_unstable_by(f64::total_cmp);
        let end = steps.end.min(self.quantiles.len());
        let days =
            count(end.saturating_sub(steps.start)) / count(Period::DAY.steps(self.step).max(1));
        Peak { maxima: raised(&maxima, &self.records, days) }
    }

    /// The first step by which the share of futures that have reached `level` is at least `chance`
    /// (0.5 is the date at P50, 0.1 the date that one future in ten comes before); `None` within the
    /// horizon otherwise.
    #[must_use]
    pub fn first_reaching(&self, level: f64, chance: f64) -> Option<Timestamp> {
        let reached = |path: &Vec<f32>| path.iter().position(|&load| f64::from(load) >= level);
        let mut first: Vec<usize> = self.paths.iter().filter_map(reached).collect();
        first.sort_unstable();
        let needed = rank(chance, self.paths.len()).max(1);
        first.get(needed - 1).map(|&step| self.time(step))
    }

    /// The time of a step, 0 for the first.
    #[expect(clippy::cast_possible_wrap, reason = "a forecast has far fewer than 2^63 steps")]
    #[must_use]
    pub fn time(&self, step: usize) -> Timestamp {
        self.start + SignedDuration::from_secs(self.step.0 * step as i64)
    }
}

impl Peak {
    /// The load that the peak stays at or below with probability `level` (0 to 1); NaN for an empty window.
    #[must_use]
    pub fn quantile(&self, level: f64) -> f64 {
        let at = rank(level, self.maxima.len()).clamp(1, self.maxima.len().max(1));
        self.maxima.get(at - 1).copied().unwrap_or(f64::NAN)
    }

    /// The probability that the peak exceeds `load`, 0 to 1; 0 for an empty window.
    #[must_use]
    pub fn chance_above(&self, load: f64) -> f64 {
        let above = self.maxima.len() - self.maxima.partition_point(|&peak| peak <= load);
        count(above) / count(self.maxima.len().max(1))
    }
}

/// Raises the upper half of the sorted `maxima` of a window of `days` days for what sampled futures cannot know.
/// Each level is read further out, by the Student factor for the windows in the past (a peak that was seen
/// eight times is known no better than that), and there the higher of sampled futures and highest days counts.
fn raised(maxima: &[f64], records: &Records, days: f64) -> Vec<f64> {
    let freedom = (count(records.days) / days).max(FREEDOM_MIN);
    let raise = |(i, &sampled): (usize, &f64)| {
        let stated = (count(i) + 0.5) / count(maxima.len());
        if stated <= 0.5 {
            return sampled;
        }
        let score = score(stated);
        let further = score * student(score, freedom);
        // the chance from the lower tail, where it is exact
        let chance = level(-further);
        let sampled = maxima[rank(1.0 - chance, maxima.len()).max(i + 1) - 1];
        sampled.max(records.exceeded(chance, days))
    };
    maxima.iter().enumerate().map(raise).collect()
}

/// The fewest out of `n` that are at least `share` of them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=n")]
fn rank(share: f64, n: usize) -> usize {
    // a hair less, so that 0.1 of 1,000 is 100 and not 101
    ((share.clamp(0.0, 1.0) * count(n) - 1e-9).ceil().max(0.0) as usize).min(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thousand() -> Vec<f64> {
        (1..=1_000_u32).map(f64::from).collect()
    }

    /// Sampled peaks of 1 to 1,000 and a past whose highest days lie around `threshold`.
    fn peak(threshold: f64, days: f64) -> Peak {
        let records = Records { days: 56, share: 1.0 / 7.0, threshold, excess: 0.1 * threshold };
        Peak { maxima: raised(&thousand(), &records, days) }
    }

    #[test]
    fn the_upper_half_is_read_further_out_the_fewer_windows_were_seen() {
        let sampled = Peak { maxima: thousand() };
        let [day, week, month] = [1.0, 7.0, 28.0].map(|days| peak(0.0, days));
        for level in [0.9, 0.95, 0.99] {
            let quantiles = [&sampled, &day, &week, &month].map(|peak| peak.quantile(level));
            assert!(quantiles.is_sorted(), "{quantiles:?}");
            assert!(quantiles[2] > quantiles[0], "{quantiles:?}");
        }
        // 8 degrees of freedom: 1.645 * (1 + 3.706 / 32 + 82.9 / 6,144) = 1.858 is the score of 0.9684
        assert!((week.quantile(0.95) - 969.0).abs() <= 1.0, "{}", week.quantile(0.95));
        assert!((week.quantile(0.5) - 500.0).abs() <= 1.0);
    }

    #[test]
    fn the_highest_days_of_the_past_raise_a_week_that_no_path_takes_so_high() {
        let week = peak(5_000.0, 7.0);
        assert!(week.quantile(0.95) > 5_000.0);
        assert!(week.quantile(0.99) > week.quantile(0.95));
        assert!((week.quantile(0.5) - 500.0).abs() <= 1.0, "the median stays that of the paths");
        assert!((week.chance_above(week.quantile(0.95)) - 0.05).abs() < 1e-9);
        assert!(peak(5_000.0, 1.0).quantile(0.99) <= 1_000.0, "a day is not held against all days");
    }
}
