//! Growth: how much of the level a day adds, by the seasonal Kendall slope, and how far ahead to believe it.
//!
//! Days are compared only with days a whole number of weeks apart, so that weekends do not look like
//! decline; the median of those slopes shrugs off campaigns and outages (Hirsch, Slack & Smith, "Techniques of
//! trend analysis for monthly water quality data", *Water Resources Research* 18, 1982). The growth is
//! believed as far as the pairs agree on its sign (Kendall's tau), and fades with the lead: a damped trend
//! (Gardner 1985), since nothing grows steadily for ever.

use super::members::Seasons;
use super::stats::{count, median};

/// Fewest days of which a growth can be told: two weeks give one pair of weeks.
const DAYS_MIN: usize = 14;
/// Kendall's tau up to which growth is taken for chance.
const TAU_CHANCE: f64 = 0.3;
/// Kendall's tau from which growth is believed in full.
const TAU_FULL: f64 = 0.7;
/// What a day of growth counts against the day before it.
const DAMPING: f64 = 0.98;
/// Fastest growth or decline that is carried on, as a share of the level per day: 7 % doubles in ten days.
const FASTEST: f64 = 0.07;

/// Growth of a series.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Growth {
    /// Share of the level per day, as far as it is believed.
    pub per_day: f64,
}

impl Growth {
    /// The growth within `seen`, whose last step is the newest.
    pub(super) fn new(seen: &[f64], seasons: Seasons) -> Self {
        let days = day_means(seen, seasons);
        let (mut slopes, mut rises) = (Vec::new(), 0.0);
        for (older, &before) in days.iter().enumerate() {
            for newer in (older + 7..days.len()).step_by(7) {
                let slope = (days[newer] - before) / count(newer - older);
                if !slope.is_nan() {
                    slopes.push(slope);
                    rises += if slope > 0.0 {
                        1.0
                    } else if slope < 0.0 {
                        -1.0
                    } else {
                        0.0
                    };
                }
            }
        }
        let pairs = count(slopes.len());
        let mut recent: Vec<f64> =
            days.iter().rev().take(7).copied().filter(|day| !day.is_nan()).collect();
        let level = median(&mut recent).unwrap_or(0.0);
        let slope = median(&mut slopes).unwrap_or(0.0);
        if days.len() < DAYS_MIN || level <= 0.0 || pairs < 7.0 {
            return Self::default();
        }
        let belief =
            ((f64::abs(rises) / pairs - TAU_CHANCE) / (TAU_FULL - TAU_CHANCE)).clamp(0.0, 1.0);
        Self { per_day: (belief * slope / level).clamp(-FASTEST, FASTEST) }
    }

    /// The factor on a forecast `days` ahead that knows the level of today; never negative.
    pub(super) fn factor(self, days: f64) -> f64 {
        let damped = (1.0 - DAMPING.powf(days.max(0.0))) / -DAMPING.ln();
        (1.0 + self.per_day * damped).max(0.0)
    }
}

/// Mean of each week back from the end, newest first: what a declining load has come down from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weeks(Vec<f64>);

impl Weeks {
    pub(super) fn new(seen: &[f64], seasons: Seasons) -> Self {
        Self(seen.rchunks(seasons.week()).map(mean).collect())
    }

    /// What brings a load or an error of `days` ago down to the level of today; never above 1. Counts in full where
    /// the load declines as fast as is believed at all: where it halves every few days, no other scale is left of
    /// what was seen a month ago.
    pub(super) fn declined(&self, days: usize, growth: Growth) -> f64 {
        let (Some(now), Some(then)) = (self.0.first(), self.0.get(days / 7)) else {
            return 1.0;
        };
        // a week that was not seen compares as neither
        let share = if now < then { (now / then).max(0.0) } else { 1.0 };
        share.powf(-growth.per_day.min(0.0) / FASTEST)
    }
}

/// Mean of what was seen; NaN where nothing was.
fn mean(values: &[f64]) -> f64 {
    let seen = values.iter().filter(|value| !value.is_nan());
    let (sum, n) = seen.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    sum / count(n)
}

/// Mean of each whole day back from the end, oldest first; NaN for a day of which less than half was seen.
fn day_means(seen: &[f64], seasons: Seasons) -> Vec<f64> {
    let mut days: Vec<f64> = seen
        .rchunks_exact(seasons.day)
        .map(|day| {
            let (sum, n) = day
                .iter()
                .filter(|value| !value.is_nan())
                .fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
            if 2 * n >= seasons.day { sum / count(n) } else { f64::NAN }
        })
        .collect();
    days.reverse();
    days
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]
    use super::*;

    fn growth(days: impl Iterator<Item = f64>) -> Growth {
        Growth::new(&days.collect::<Vec<f64>>(), Seasons::new(1))
    }

    #[test]
    fn the_slope_is_that_of_pymannkendall() {
        // data/reference/forecast.py: 5.6 per week at tau 0.949, over a level of 250.8; tolerance 1e-12
        let days = (0..56).map(|t| {
            let outlier = if t == 20 { 400.0 } else { 0.0 };
            f64::from(200 + 3 * (t * 5 % 7) + t * 11 % 5) + 0.8 * f64::from(t) + outlier
        });
        assert!((growth(days).per_day - 5.6 / 7.0 / 250.8).abs() < 1e-12);
    }

    #[test]
    fn a_weekend_is_no_decline_and_noise_is_no_growth() {
        assert_eq!(growth((0..55).map(|t| if t % 7 >= 5 { 50.0 } else { 100.0 })).per_day, 0.0);
        assert_eq!(growth((0..56).map(|t| f64::from(100 + t * 37 % 23))).per_day, 0.0);
        assert_eq!(growth((0..13).map(f64::from)).per_day, 0.0);
    }

    #[test]
    fn only_a_fast_decline_brings_the_past_down_to_today() {
        // weeks of 100, 50 and 25, the newest last
        let seen: Vec<f64> = [100.0, 50.0, 25.0].into_iter().flat_map(|week| [week; 7]).collect();
        let weeks = Weeks::new(&seen, Seasons::new(1));
        let declined = |days, per_day| weeks.declined(days, Growth { per_day });
        assert_eq!([declined(6, -0.07), declined(7, -0.07), declined(20, -0.07)], [1.0, 0.5, 0.25]);
        assert_eq!([declined(7, 0.0), declined(7, 0.07), declined(21, -0.07)], [1.0; 3]);
        assert!((declined(20, -0.035) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn growth_fades_and_never_turns_a_forecast_negative() {
        let growth = Growth { per_day: 0.01 };
        assert_eq!(growth.factor(-3.0), 1.0);
        // (1 - 0.98^21) / -ln 0.98 = 17.11 days' worth
        assert!((growth.factor(21.0) - 1.1711).abs() < 1e-3);
        // however far: 1 / -ln 0.98 = 49.5 days' worth
        assert!(growth.factor(1e9) < 1.4951);
        assert_eq!(Growth { per_day: -0.07 }.factor(1e9), 0.0);
    }
}
