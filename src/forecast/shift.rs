//! Level shifts: what changed for good, with a deploy or a customer, and how to go on using the weeks before it.
//!
//! A shift is a number of last days of which nearly every hour lies to the same side of the median of
//! its hour of the week before. The older series is then brought to the new level by the median ratio, so that
//! its shape and its errors stay of use. A rise is believed after two days; a fall only after five, since
//! the longest public holidays look like one, and believing it too early would leave too little capacity.

use super::members::Seasons;
use super::stats::{count, median, weighted_quantiles};

/// Smallest change that is a shift: by a quarter up, or the same down.
const RATIO_MIN: f64 = 1.25;
/// Largest change whose older series still has a shape to lend: beyond it the service is another one.
const RATIO_MAX: f64 = 5.0;
/// Share of the hours that may lie on the other side.
const STRAGGLERS: f64 = 0.1;
/// Days after which a rise is believed.
const RISE_D: usize = 2;
/// Days after which a fall is believed.
const FALL_D: usize = 5;
/// Oldest shift that is looked for, in days; by then the trials at past origins have seen it.
const OLDEST_D: usize = 14;
/// Weeks before the shift that its steps are held against: against older ones steady growth would look like a shift.
const WEEKS_BEFORE: usize = 2;
/// Days needed before the shift, to know the level it left.
const BEFORE_D: usize = 7;

/// The level changed at a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    /// First step at the new level.
    pub at: usize,
    /// New level over old.
    pub ratio: f64,
}

impl Shift {
    /// The oldest shift of the last weeks that still holds.
    pub(super) fn find(seen: &[f64], seasons: Seasons) -> Option<Self> {
        let oldest = OLDEST_D.min((seen.len() / seasons.day).saturating_sub(BEFORE_D));
        (RISE_D..=oldest).rev().find_map(|days| {
            let at = seen.len() - days * seasons.day;
            let ratio = lasting_ratio(seen, at, seasons)?;
            (ratio > 1.0 || days >= FALL_D).then_some(Self { at, ratio })
        })
    }

    /// Brings what lies before the shift to the level after it.
    pub(super) fn carry(self, values: &mut [f64]) {
        for value in &mut values[..self.at] {
            *value *= self.ratio;
        }
    }
}

/// The median ratio of the steps from `at` on to those before, where nearly all agree on its side; also against what the
/// weeks before were on the way to: growth and decline that go on are no shift.
fn lasting_ratio(seen: &[f64], at: usize, seasons: Seasons) -> Option<f64> {
    let lasting = |trend: f64| {
        let ratio = |span| one_sided(ratios(seen, span, at, seasons, trend));
        // the first day and the last decide quickly in the usual case that there is no shift
        ratio(at..at + seasons.day)?;
        ratio(seen.len() - seasons.day..seen.len())?;
        ratio(at..seen.len())
    };
    let plain = lasting(1.0)?;
    let beyond = lasting(trend(seen, at, seasons))?;
    ((plain > 1.0) == (beyond > 1.0)).then_some(plain)
}

/// The week before `at` over the one before that, as the median of its steps; 1 where there is no such week.
fn trend(seen: &[f64], at: usize, seasons: Seasons) -> f64 {
    let week = seasons.week();
    let Some(first) = at.checked_sub(2 * week) else { return 1.0 };
    let steps = first..first + week;
    let ratios = steps.map(|t| seen[t + week] / seen[t]);
    let mut ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite()).collect();
    median(&mut ratios).unwrap_or(1.0)
}

/// Each step of a span over the median of its hour of the two weeks before `at`, or of its hour of day; carried on by
/// `trend` a week.
fn ratios(
    seen: &[f64],
    span: std::ops::Range<usize>,
    at: usize,
    seasons: Seasons,
    trend: f64,
) -> Vec<(f64, f64)> {
    let mut before = Vec::with_capacity(BEFORE_D);
    span.filter_map(|t| {
        let mut usual = |season: usize, most: usize| {
            before.clear();
            let mut lags = 0;
            let older = (1..).map_while(|n| t.checked_sub(n * season));
            for older in older.filter(|&older| older < at && !seen[older].is_nan()).take(most) {
                before.push(seen[older]);
                lags += t - older;
            }
            let weeks = count(lags) / count(before.len() * seasons.week());
            let usual = (before.len() >= 2).then(|| median(&mut before)).flatten()?;
            Some(usual * trend.powf(weeks))
        };
        let usual = usual(seasons.week(), WEEKS_BEFORE).or_else(|| usual(seasons.day, BEFORE_D))?;
        let ratio = seen[t] / usual;
        ratio.is_finite().then_some((ratio, 1.0))
    })
    .collect()
}

fn one_sided(mut ratios: Vec<(f64, f64)>) -> Option<f64> {
    ratios.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let quantiles = weighted_quantiles(&ratios, &[STRAGGLERS, 0.5, 1.0 - STRAGGLERS])?;
    let [low, middle, high] = quantiles[..] else {
        return None;
    };
    let rise = low > RATIO_MIN && high < RATIO_MAX;
    let fall = high < 1.0 / RATIO_MIN && low > 1.0 / RATIO_MAX;
    (rise || fall).then_some(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four weeks of hours between 88 and 112, the last `days` of them times `ratio`.
    fn shifted(days: usize, ratio: f64) -> Vec<f64> {
        let level = |t: usize| if t >= (28 - days) * 24 { ratio } else { 1.0 };
        (0..28 * 24).map(|t| level(t) * (88.0 + count(t % 24) + count(t % 3) / 2.0)).collect()
    }

    fn found(values: &[f64]) -> Option<(usize, f64)> {
        Shift::find(values, Seasons::new(24))
            .map(|shift| ((values.len() - shift.at) / 24, shift.ratio))
    }

    #[test]
    fn a_rise_is_believed_after_two_days_and_a_fall_after_five() {
        assert_eq!(found(&shifted(1, 3.0)), None);
        for (days, ratio) in [(2, 3.0), (10, 1.5), (5, 0.5)] {
            let (since, by) = found(&shifted(days, ratio)).unwrap_or_default();
            assert_eq!(since, days);
            assert!((by - ratio).abs() < 0.05 * ratio, "{by} for {ratio}");
        }
        assert_eq!(found(&shifted(4, 0.5)), None, "a long holiday");
    }

    #[test]
    fn steady_growth_is_no_shift() {
        let growing = |per_day: f64| -> Vec<f64> {
            let values = shifted(0, 1.0).into_iter().cycle().take(56 * 24).enumerate();
            values.map(|(t, load)| load * (per_day * count(t) / 24.0).exp()).collect()
        };
        assert_eq!(found(&growing(0.01)), None);
        assert_eq!(found(&growing(0.015)), None);
        for per_day in [-0.015, 0.03, -0.07] {
            assert_eq!(found(&growing(per_day)), None, "{per_day}");
        }
    }

    #[test]
    fn a_small_change_is_none_and_a_huge_one_is_another_service() {
        assert_eq!(found(&shifted(5, 1.1)), None);
        assert_eq!(found(&shifted(5, 20.0)), None);
        assert_eq!(found(&vec![0.0; 28 * 24]), None);
    }

    #[test]
    fn the_older_series_is_brought_to_the_new_level() {
        let mut values = [1.0, 2.0, 9.0];
        Shift { at: 2, ratio: 3.0 }.carry(&mut values);
        assert!(values.iter().zip([3.0, 6.0, 9.0]).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
