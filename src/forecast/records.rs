//! The highest days so far, and what they say of days to come: a week may bring a record that no sampled error has.
//!
//! Days above a threshold, one in seven, exceed it by a generalised Pareto distribution (peaks over threshold;
//! Pickands, *Annals of Statistics* 3, 1975; Coles, *An Introduction to Statistical Modeling of Extreme
//! Values*, 2001, chapter 4). Its scale is the mean excess; its shape is fixed, since eight weeks cannot tell it.

use super::grid::Grid;
use super::stats::count;
use super::trend::{Growth, Weeks};

/// Newest days that are looked at: eight weeks.
const DAYS_MAX: usize = 56;
/// One day in so many lies above the threshold, so that a busy day of the week is usual and no excess.
const ONE_IN: usize = 7;
/// Fewest days above the threshold, itself included, from which an excess can be told.
const ABOVE_MIN: usize = 3;
/// Shape of the excesses: a tail like that of Student's t with five degrees of freedom, for load comes in bursts.
/// From 0.1 to 0.33 the pinball loss of a window's peak at 0.95 differs by under 5 %.
const SHAPE: f64 = 0.2;
/// Shortest window that is compared with the highest days, in days: all days of the week are in it.
const WINDOW_MIN_D: f64 = 7.0;

/// The highest days of a history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Records {
    /// Days that were seen, at most 56.
    pub days: usize,
    /// Share of the days that reach the threshold, 0 to 1; 0 where too few days were seen.
    pub share: f64,
    /// The load that those days reach.
    pub threshold: f64,
    /// Mean load above the threshold.
    pub excess: f64,
}

impl Records {
    /// The highest days of what was seen. Where load declines, older days are brought down to the level of today.
    pub(super) fn new(grid: &Grid, growth: Growth, weeks: &Weeks) -> Self {
        let day = grid.seasons.day;
        let declined = |age: usize| {
            let slope = 1.0 / (1.0 - growth.per_day.min(0.0) * count(age));
            slope.min(weeks.declined(age, growth))
        };
        let peak = |(age, (seen, bounds)): (usize, (&[f64], &[f64]))| {
            let known = |i: &usize| !seen[*i].is_nan() || !bounds[*i].is_nan();
            let enough = 2 * (0..day).filter(known).count() >= day;
            // `f64::max` prefers the number to NaN
            let peak = seen.iter().chain(bounds).copied().fold(0.0, f64::max);
            enough.then_some(peak * declined(age))
        };
        let days = grid.seen.rchunks_exact(day).zip(grid.bounds.rchunks_exact(day));
        Self::of(days.take(DAYS_MAX).enumerate().filter_map(peak).collect())
    }

    fn of(mut peaks: Vec<f64>) -> Self {
        let days = peaks.len();
        let above = days.div_ceil(ONE_IN).max(ABOVE_MIN);
        if above > days {
            return Self { days, share: 0.0, threshold: 0.0, excess: 0.0 };
        }
        peaks.sort_unstable_by(|a, b| b.total_cmp(a));
        let threshold = peaks[above - 1];
        let mean = peaks[..above - 1].iter().sum::<f64>() / count(above - 1);
        Self { days, share: count(above) / count(days), threshold, excess: mean - threshold }
    }

    /// The load that the peak of a window of `days` days exceeds with `chance`; 0 where the past cannot tell.
    pub(super) fn exceeded(&self, chance: f64, days: f64) -> f64 {
        if days < WINDOW_MIN_D {
            return 0.0;
        }
        // 1 - (1 - chance)^(1 / days), exact for the smallest chances
        let chance_per_day = -f64::exp_m1(f64::ln_1p(-chance) / days);
        let rarity = self.share / chance_per_day;
        if rarity < 1.0 {
            return 0.0;
        }
        self.threshold + self.excess * (1.0 - SHAPE) * (rarity.powf(SHAPE) - 1.0) / SHAPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_day_of_the_week_is_no_excess() {
        // one busy day in seven: eight of 56 reach 100, so the threshold is 100 and nothing lies above
        let records =
            Records::of((0..56).map(|day| if day % 7 == 0 { 100.0 } else { 40.0 }).collect());
        assert!((records.share - 1.0 / 7.0).abs() < 1e-12);
        assert!((records.exceeded(0.05, 7.0) - 100.0).abs() < 1e-12);
    }

    #[test]
    fn a_rarer_peak_is_extrapolated_by_the_generalised_pareto_distribution() {
        // eight of 56 days: 170, 160, ..., 100; threshold 100, mean excess 40
        let records = Records::of((0..56).map(|day| f64::from((170 - 10 * day).max(20))).collect());
        // 1 - 0.95^(1/7) = 0.0073008; rarity 19.5673; 19.5673^0.2 = 1.81262
        // 100 + 40 * 0.8 * 5 * 0.81262 = 230.02
        assert!((records.exceeded(0.05, 7.0) - 230.02).abs() < 0.02);
        assert!(records.exceeded(0.05, 28.0) > records.exceeded(0.05, 7.0));
        assert!(records.exceeded(0.01, 7.0) > records.exceeded(0.05, 7.0));
    }

    #[test]
    fn too_few_days_say_nothing() {
        assert!(Records::of(vec![9.0, 8.0]).exceeded(0.01, 7.0) <= 0.0);
    }
}
