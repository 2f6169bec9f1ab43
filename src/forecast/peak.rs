//! Questions to a forecast's sampled futures: how high a window goes, and when a level is reached.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::Forecast;
use super::stats::count;

/// The distribution of the highest load within a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Peak {
    /// The highest value of each path, rising.
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
        Peak { maxima }
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

/// The fewest out of `n` that are at least `share` of them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=n")]
fn rank(share: f64, n: usize) -> usize {
    // a hair less, so that 0.1 of 1,000 is 100 and not 101
    ((share.clamp(0.0, 1.0) * count(n) - 1e-9).ceil().max(0.0) as usize).min(n)
}
