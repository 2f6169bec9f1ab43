//! The 95 % quantile of a step: the middle of three who know in different ways how high a load may go.
//!
//! The first takes errors as they were, and adds them; it is the interval's own, halfway back to the 90 % quantile, since
//! the interval carries a margin so that all of it holds what it states. The second takes errors as shares of what was
//! said, and multiplies. The third asks no forecast, and reads the past about the same hour of the week. Bursts make each of
//! them wrong in another place, and the middle of three is moved by none alone (median aggregation; Hora, Fransen, Hawkins
//! & Susel, *Decision Analysis* 10, 2013). It stays between the interval's 90 % and 97.5 % quantile.
//!
//! Sampled futures, and with them a window's peak, stay with the interval.

use super::LEVELS;
use super::ensemble::Trial;
use super::grid::Grid;
use super::members::Seasons;
use super::paths::Ahead;
use super::stats::{count, median, quantile};

/// The level that is read here, and its place in [`LEVELS`].
const LEVEL: f64 = 0.95;
const PLACE: usize = 4;
/// Hours before and after that are the same hour of the week.
const NEAR_H: usize = 3;
/// What was said counts as at least this share of its mean, so that an error at night is not taken for a thousandfold.
const FLOOR: f64 = 0.05;

/// One value per level of a forecast.
type Levels = [f64; LEVELS.len()];

/// What the past says of high loads.
#[derive(Debug)]
pub(super) struct Upper {
    slots: Slots,
    /// Error as a share of what was said, and the least that counts as said.
    share: Option<(f64, f64)>,
    /// Load by hour of the week; NaN where none was seen.
    usual: Vec<f64>,
}

impl Upper {
    /// From what was `said` at the `trials`, and what was seen.
    pub(super) fn new(trials: &[Trial], said: &[Vec<f64>], grid: &Grid) -> Self {
        let slots = Slots(grid.seasons);
        let share = share(trials, said, &grid.seen);
        Self { slots, share, usual: usual(slots, grid) }
    }

    /// The quantiles of an interval, at a step of local time, with the one at [`LEVEL`] read by all three.
    pub(super) fn within(&self, interval: Levels, step: usize, ahead: &Ahead) -> Levels {
        let [low, own, high] = [interval[PLACE - 1], interval[PLACE], interval[PLACE + 1]];
        let Ahead { mean, factor, .. } = *ahead;
        let added = 0.5 * (low + own);
        let multiplied = self.share.map(|(share, floor)| (mean + share * mean.max(floor)).max(0.0));
        let usual = Some(self.usual[self.slots.of(step)]).filter(|load| !load.is_nan());
        let [multiplied, usual] =
            [multiplied, usual].map(|load| load.map_or(added, |load| load * factor));
        let mut all = interval;
        all[PLACE] = median(&mut [added, multiplied, usual]).unwrap_or(own).max(low).min(high);
        all
    }
}

/// Hours of the week; steps of it, where a step is longer than an hour.
#[derive(Debug, Clone, Copy)]
struct Slots(Seasons);

impl Slots {
    fn in_day(self) -> usize {
        self.0.day.min(24)
    }

    fn of(self, step: usize) -> usize {
        step % self.0.week() * self.in_day() / self.0.day
    }
}

/// The quantile of errors as shares of what was said.
fn share(trials: &[Trial], said: &[Vec<f64>], seen: &[f64]) -> Option<(f64, f64)> {
    let pairs = || {
        let of = trials.iter().zip(said);
        let pairs = of.flat_map(|(trial, said)| said.iter().zip(&seen[trial.origin..]));
        pairs.filter(|(_, seen)| !seen.is_nan())
    };
    let (sum, n) = pairs().fold((0.0, 0), |(sum, n), (said, _)| (sum + said, n + 1));
    let floor = FLOOR * sum / count(n);
    let mut errors: Vec<f64> =
        pairs().map(|(said, seen)| (seen - said) / said.max(floor)).collect();
    // what was never expected has no share
    if floor > 0.0 { Some((quantile(&mut errors, LEVEL)?, floor)) } else { None }
}

/// The quantile of what was seen within [`NEAR_H`] of each hour of the week.
fn usual(slots: Slots, grid: &Grid) -> Vec<f64> {
    let n = 7 * slots.in_day();
    let near = NEAR_H * slots.in_day() / 24;
    let mut loads = vec![Vec::new(); n];
    for (i, &load) in grid.seen.iter().enumerate().filter(|(_, load)| !load.is_nan()) {
        let slot = slots.of(grid.phase + i);
        for about in slot + n - near..=slot + n + near {
            loads[about % n].push(load);
        }
    }
    loads.iter_mut().map(|loads| quantile(loads, LEVEL).unwrap_or(f64::NAN)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]
    use super::*;
    use crate::forecast::interval::FLAT;

    /// What is stated at 95 % where the interval says 90, 95 and 97.5 %, and `mean` and `factor` are expected.
    fn stated(
        share: Option<(f64, f64)>,
        usual: f64,
        (mean, factor): (f64, f64),
        [low, own, high]: [f64; 3],
    ) -> f64 {
        let slots = Slots(Seasons::new(24));
        let upper = Upper { slots, share, usual: vec![usual; 168] };
        let ahead = Ahead { mean, size: 0.0, curve: &FLAT, factor };
        upper.within([0.0, 0.0, 0.0, low, own, high, f64::INFINITY], 0, &ahead)[PLACE]
    }

    #[test]
    fn the_middle_of_three_counts_and_stays_within_the_interval() {
        assert_eq!(LEVELS[PLACE], LEVEL);
        let of = |share, usual| stated(share, usual, (100.0, 1.0), [110.0, 130.0, 150.0]);
        // added: 120; multiplied: 140; by the hour of the week: 125
        assert_eq!(of(Some((0.4, 5.0)), 125.0), 125.0);
        assert_eq!(of(Some((0.4, 5.0)), 900.0), 140.0);
        assert_eq!(of(Some((9.0, 5.0)), 900.0), 150.0);
        assert_eq!(of(Some((0.0, 5.0)), 50.0), 110.0);
        // who knows nothing leaves it to the interval
        assert_eq!(of(None, f64::NAN), 120.0);
        // an event multiplies all three
        let event = stated(Some((0.4, 5.0)), 125.0, (100.0, 2.0), [220.0, 260.0, 300.0]);
        assert_eq!(event, 250.0);
        // at night an error counts as one of the least that is said
        assert_eq!(stated(Some((4.0, 5.0)), 900.0, (1.0, 1.0), [2.0, 10.0, 30.0]), 21.0);
    }

    #[test]
    fn errors_are_shares_of_what_was_said() {
        let trial = |origin| Trial { origin, age_d: 0.0, declined: 1.0, rows: Vec::new() };
        let said = [vec![10.0, 100.0], vec![200.0]];
        let seen = [11.0, 150.0, f64::NAN, 100.0];
        let (share, floor) = share(&[trial(0), trial(3)], &said, &seen).unwrap_or_default();
        // shares -0.5, 0.1 and 0.5 of 310 / 3 on average
        assert_eq!(share, 0.5);
        assert!((floor - 0.05 * 310.0 / 3.0).abs() < 1e-12);
        assert_eq!(super::share(&[trial(0)], &[vec![0.0]], &[0.0]), None);
        assert_eq!(super::share(&[], &[], &[]), None);
    }

    #[test]
    fn the_same_hour_is_seven_hours_of_each_week_at_any_step() {
        // a step of four hours is an hour of its own
        for (day, at_midnight) in [(24, 6.0), (288, 6.0), (6, 0.0)] {
            let seasons = Seasons::new(day);
            // two weeks of their day of the week, but for a spike on the first Wednesday at noon
            let mut seen: Vec<f64> = (0..2 * seasons.week()).map(|t| count(t / day % 7)).collect();
            let noon = 2 * day + day / 2;
            seen[noon..noon + day.div_ceil(24)].fill(100.0);
            let grid = Grid {
                seasons,
                phase: 0,
                bounds: vec![f64::NAN; seen.len()],
                seen,
                ahead: Vec::new(),
            };
            let slots = Slots(seasons);
            let usual = usual(slots, &grid);
            let at = |step| usual[slots.of(step)];
            assert_eq!(
                [at(0), at(day / 2), at(9 * day + day / 4)],
                [at_midnight, 0.0, 2.0],
                "{day}"
            );
            // 14 hours, one of them the spike: rule 5 reads it at a level of 0.95
            assert!(at(noon) > 50.0, "{day}: {}", at(noon));
        }
    }
}
