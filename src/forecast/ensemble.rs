//! The combination: members weighted by how they did at past origins of the same series.
//!
//! Sources: combining beats choosing (Bates & Granger 1969; Makridakis et al., the M4 competition,
//! *International Journal of Forecasting* 36, 2020); rolling origins as in Hyndman & Athanasopoulos,
//! *Forecasting: Principles and Practice* (3rd ed.), section 5.10; weights shrunk to a prior (Diebold & Pauly, "The use of
//! prior information in forecast combination", *International Journal of Forecasting* 6, 1990). The constants come from an ablation
//! over 64 real load series and are flat around their values: half or double changes the error by under 2 %.

use std::ops::Range;

use super::grid::Grid;
use super::learnt::Voice;
use super::members::{COUNT, MEMBERS, Memory, Seasons};
use super::stats::{count, weighted_medians};
use super::trend::Growth;

/// Newest past origins at which the members are tried, half a day apart: both halves of the day are begun from.
const ORIGINS_BY_HALF_DAYS: usize = 28;
/// Most origins before those, a day apart: they cost as much and say less of who is right today, but the size of errors
/// is learnt from all.
const ORIGINS_BY_DAYS: usize = 28;
/// After this many days a trial has half its say in the weights.
const HALF_LIFE_D: f64 = 8.0;
/// Weight is the error relative to the best member, to this negative power.
const POWER: i32 = 10;
/// Members with more than this many times the best member's error have no say.
const TRIM: f64 = 1.6;
/// Share of the weights of later days that is not earned by trials but given to [`PRIOR`]: the trials of the last weeks
/// overlap, and whoever followed them into a busy or a quiet month would go on alone, where most loads come back.
const PRIOR_SHARE: f64 = 0.3;
/// Growth or decline per day up to which that is given in full, and from which not at all: a tenth a month comes and
/// goes with the season, a third a month is a new service, and there the median of eight weeks lies a third off.
const PRIOR_GROWTH: [f64; 2] = [0.005, 0.01];
/// The member that is right in the long run. Each hour stands alone in it: smoothed, it would wash out what comes by the clock.
const PRIOR: &str = "weekly-median";
/// What the first day's errors count in the weights of later days, which have fewer trials.
const NEAR_IN_FAR: f64 = 0.3;
/// A trial is at least this share as hard for the best member as for the mean of all.
const EASIEST: f64 = 0.1;
/// Share of the weighted median in the combination; the rest is the weighted mean.
const MEDIAN_SHARE: f64 = 0.5;

/// Days ahead from which growth is carried on.
const GROWTH_FROM_D: f64 = 7.0;

/// What the members said at one past origin.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    /// The first step that was to be forecast.
    pub origin: usize,
    /// How long ago it began, in days.
    pub age_d: f64,
    /// Factor on its errors where the load has declined since.
    pub declined: f64,
    /// One row of forecasts per member, up to the end of what is seen.
    pub rows: Vec<Vec<f64>>,
}

impl Trial {
    /// Its say among all trials: 1 now, half after `half_life_d` days.
    pub(super) fn weight(&self, half_life_d: f64) -> f64 {
        0.5f64.powf(self.age_d / half_life_d)
    }
}

/// Shares of the members, each row summing to 1.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    /// For the first day ahead.
    pub near: [f64; COUNT],
    /// For later days.
    pub far: [f64; COUNT],
}

/// The members tried on the past and asked for the future.
pub(super) struct Fit {
    pub trials: Vec<Trial>,
    /// The members' forecasts from the end of the series on.
    pub rows: Vec<Vec<f64>>,
    pub weights: Weights,
}

impl Fit {
    /// Walks `learnt` once; every member speaks at each past origin, and at the end for `steps` ahead.
    pub(super) fn new(learnt: &[f64], grid: &Grid, steps: usize, growth: Growth) -> Self {
        let (seasons, n) = (grid.seasons, learnt.len());
        let origins = origins(n, seasons);
        let mut next = origins.iter().copied().peekable();
        let mut memory = Memory::new(seasons);
        let mut trials = Vec::with_capacity(origins.len());
        for (t, &value) in learnt.iter().enumerate() {
            if next.next_if_eq(&t).is_some() {
                trials.push(Trial {
                    origin: t,
                    age_d: seasons.hours_in(n - t) / 24.0,
                    declined: 1.0,
                    rows: memory.expect(grid.phase + t, steps.min(n - t)),
                });
            }
            memory.see(grid.phase + t, value);
        }
        let weights = Weights::new(&trials, &grid.seen, seasons, prior(growth));
        Self { trials, rows: memory.expect(grid.phase + n, steps), weights }
    }

    /// What `voice` says from the end of the series on.
    pub(super) fn ahead(&self, voice: Voice, seasons: Seasons, growth: Growth) -> Vec<f64> {
        grown(self.say(voice, &self.rows, seasons), seasons, growth)
    }

    /// What `voice` said at every past origin.
    pub(super) fn past(&self, voice: Voice, seasons: Seasons, growth: Growth) -> Vec<Vec<f64>> {
        let said = |trial: &Trial| grown(self.say(voice, &trial.rows, seasons), seasons, growth);
        self.trials.iter().map(said).collect()
    }

    fn say(&self, voice: Voice, rows: &[Vec<f64>], seasons: Seasons) -> Vec<f64> {
        match voice {
            Voice::Ensemble => self.weights.combine(rows, seasons),
            Voice::Member(member) => rows[member].clone(),
        }
    }
}

/// Members know the level of today; growth carries it on from [`GROWTH_FROM_D`].
fn grown(mut forecast: Vec<f64>, seasons: Seasons, growth: Growth) -> Vec<f64> {
    for (h, value) in forecast.iter_mut().enumerate() {
        *value *= growth.factor(seasons.hours_in(h) / 24.0 - GROWTH_FROM_D);
    }
    forecast
}

/// Past origins, oldest first: none before two days, or half of a shorter history, have been seen.
fn origins(n: usize, seasons: Seasons) -> Vec<usize> {
    let half_day = (seasons.day / 2).max(1);
    let warm = (2 * seasons.day).min(n / 2).max(1);
    let near = (1..=ORIGINS_BY_HALF_DAYS).map(|i| i * half_day);
    // a week must have been seen before those, or their errors are of a forecast that knew no weekend
    let oldest = n.saturating_sub(seasons.week());
    let far = (1..=ORIGINS_BY_DAYS)
        .map(|i| ORIGINS_BY_HALF_DAYS * half_day + i * seasons.day)
        .take_while(|&back| back <= oldest);
    let mut origins: Vec<usize> = near
        .chain(far)
        .map_while(|back| n.checked_sub(back))
        .take_while(|&origin| origin >= warm)
        .collect();
    origins.reverse();
    origins
}

impl Weights {
    fn new(trials: &[Trial], actual: &[f64], seasons: Seasons, prior: f64) -> Self {
        let (mut near, mut far) = ([0.0; COUNT], [0.0; COUNT]);
        for trial in trials {
            let steps = trial.rows.first().map_or(0, Vec::len);
            let first_day = seasons.day.min(steps);
            add_errors(&mut near, trial, 0..first_day, actual);
            add_errors(&mut far, trial, first_day..steps, actual);
        }
        for (far, near) in far.iter_mut().zip(near) {
            *far += NEAR_IN_FAR * near;
        }
        Self { near: shares(near), far: shrunk(shares(far), prior) }
    }

    /// Half the weighted mean, half the weighted median of the members at each step.
    fn combine(&self, rows: &[Vec<f64>], seasons: Seasons) -> Vec<f64> {
        let steps = rows.first().map_or(0, Vec::len);
        let first_day = seasons.day.min(steps);
        let mut combined = Vec::with_capacity(steps);
        for (weights, span) in [(&self.near, 0..first_day), (&self.far, first_day..steps)] {
            let speaking: Vec<(&[f64], f64)> = rows
                .iter()
                .zip(weights)
                .filter(|(_, weight)| **weight > 0.0)
                .map(|(row, weight)| (&row[span.clone()], *weight))
                .collect();
            let medians = weighted_medians(&speaking, span.len());
            combined.extend(medians.iter().enumerate().map(|(h, median)| {
                let mean: f64 = speaking.iter().map(|(row, weight)| row[h] * weight).sum();
                (1.0 - MEDIAN_SHARE) * mean + MEDIAN_SHARE * median
            }));
        }
        combined
    }

    /// Each member's share over a horizon of `steps`.
    pub(super) fn over(&self, steps: usize, seasons: Seasons) -> [f64; COUNT] {
        let near = count(seasons.day.min(steps)) / count(steps.max(1));
        std::array::from_fn(|i| near * self.near[i] + (1.0 - near) * self.far[i])
    }
}

/// Adds every member's absolute errors at the steps `span` of a trial. They count by the root of how hard the trial was
/// for the best of them: by the sum alone a few wild days would choose the members for all the calm ones.
fn add_errors(sums: &mut [f64; COUNT], trial: &Trial, span: Range<usize>, actual: &[f64]) {
    let seen = &actual[trial.origin..][span.clone()];
    let errors: [f64; COUNT] =
        std::array::from_fn(|member| absolute_error(&trial.rows[member][span.clone()], seen));
    let best = errors.iter().copied().fold(f64::INFINITY, f64::min);
    let all = errors.iter().sum::<f64>() / count(COUNT);
    let hardness = best.max(EASIEST * all) / count(span.len());
    if hardness > 0.0 {
        for (sum, error) in sums.iter_mut().zip(errors) {
            *sum += trial.weight(HALF_LIFE_D) * error / hardness.sqrt();
        }
    }
}

/// What is given to [`PRIOR`] where a load grows as it does.
fn prior(growth: Growth) -> f64 {
    let [full, none] = PRIOR_GROWTH;
    PRIOR_SHARE * ((none - growth.per_day.abs()) / (none - full)).clamp(0.0, 1.0)
}

/// Shares of which `prior` went to [`PRIOR`].
fn shrunk(earned: [f64; COUNT], prior: f64) -> [f64; COUNT] {
    std::array::from_fn(|i| {
        let given = if MEMBERS[i].0 == PRIOR { prior } else { 0.0 };
        (1.0 - prior) * earned[i] + given
    })
}

/// Sum of absolute errors over the steps that were seen.
fn absolute_error(forecast: &[f64], actual: &[f64]) -> f64 {
    forecast.iter().zip(actual).map(|(f, y)| (f - y).abs()).filter(|error| !error.is_nan()).sum()
}

fn shares(errors: [f64; COUNT]) -> [f64; COUNT] {
    let best = errors.iter().copied().fold(f64::INFINITY, f64::min);
    let say = |error: f64| {
        if error <= best {
            1.0
        } else if error <= TRIM * best {
            (error / best).powi(-POWER)
        } else {
            0.0
        }
    };
    let total: f64 = errors.iter().map(|&error| say(error)).sum();
    errors.map(|error| say(error) / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trials seven days ahead at which only `right` was.
    fn weights(right: usize) -> Weights {
        let seasons = Seasons::new(24);
        let rows = (0..COUNT).map(|i| vec![if i == right { 10.0 } else { 20.0 }; 168]).collect();
        let trial = Trial { origin: 0, age_d: 7.0, declined: 1.0, rows };
        Weights::new(&[trial], &[10.5; 168], seasons, prior(Growth { per_day: 0.004 }))
    }

    #[test]
    fn later_days_leave_a_share_to_the_median_week_whoever_was_right() {
        let last_day = MEMBERS.iter().position(|(name, _)| *name == "last-day").unwrap_or(COUNT);
        let Weights { near, far } = weights(last_day);
        assert!((near[last_day] - 1.0).abs() < 1e-12, "the first day is earned");
        assert!((far[last_day] - 0.7).abs() < 1e-12);
        for (i, (name, _)) in MEMBERS.iter().enumerate().filter(|(i, _)| *i != last_day) {
            let expected = if *name == PRIOR { 0.3 } else { 0.0 };
            assert!((far[i] - expected).abs() < 1e-12, "{name}");
        }
    }

    #[test]
    fn what_grows_fast_does_not_come_back() {
        let shares = [0.0, -0.005, 0.0075, 0.01, -0.07].map(|per_day| prior(Growth { per_day }));
        for (share, expected) in shares.into_iter().zip([0.3, 0.3, 0.15, 0.0, 0.0]) {
            assert!((share - expected).abs() < 1e-12, "{share} for {expected}");
        }
    }

    #[test]
    fn everyone_is_tried_twice_a_day_for_two_weeks_and_once_a_day_before() {
        let origins = origins(56 * 24, Seasons::new(24));
        let back: Vec<usize> = origins.iter().rev().map(|origin| 56 * 24 - origin).collect();
        assert_eq!(back.len(), 56);
        assert_eq!(back[..3], [12, 24, 36]);
        assert_eq!(back[27..30], [336, 360, 384]);
        assert_eq!(back[55], 42 * 24);
        // four weeks: all of the last two, and back to where one week had been seen
        let origins = super::origins(28 * 24, Seasons::new(24));
        assert_eq!((origins.len(), origins.first()), (35, Some(&(7 * 24))));
    }
}
