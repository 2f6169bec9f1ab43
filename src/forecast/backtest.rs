//! Rolling origins: the whole forecast made again as it would have been made then, and held against what came.
//!
//! Unlike the score that every forecast carries, nothing here is shared between origins: weights, intervals and
//! growth are learnt anew from what lay before each one. Every member is scored beside the ensemble,
//! with intervals made in the same way from its own errors. Source: Hyndman & Athanasopoulos, *Forecasting:
//! Principles and Practice* (3rd ed.), sections 5.8 to 5.10.

use jiff::Timestamp;

use super::grid::demand;
use super::learnt::{Learnt, Voice};
use super::stats::count;
use super::{Forecast, TooLittle};
use crate::history::History;
use crate::service::Calendar;
use crate::units::Period;

/// Level whose peak coverage is reported.
const PEAK_LEVEL: f64 = 0.95;
/// Places of the bounds of the central 80 % and 95 % intervals in [`super::LEVELS`].
const INSIDE_80: [usize; 2] = [1, 3];
const INSIDE_95: [usize; 2] = [0, 5];

/// What rolling origins found.
#[derive(Debug, Clone, PartialEq)]
pub struct Backtest {
    /// The origins, oldest first.
    pub origins: Vec<Timestamp>,
    /// The ensemble, then its members, each over all origins.
    pub models: Vec<ModelScore>,
}

/// How one model did over all origins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelScore {
    /// `ensemble`, or the member's name.
    pub name: &'static str,
    /// Mean absolute error over that of the seasonal naive forecast within the same history (MASE).
    pub mase: f64,
    /// Mean error, forecast minus seen, as a share of the mean load.
    pub bias: f64,
    /// Share of steps inside the central 80 % interval.
    pub inside80: f64,
    /// Share of steps inside the central 95 % interval.
    pub inside95: f64,
    /// Share of days whose highest step stays at or below the 95 % quantile of the day's peak.
    pub peaks_inside95: f64,
}

/// Makes the forecast for `steps` steps at up to `origins` past moments, half a horizon but at least a day apart,
/// and scores it. Steps that a mark or an event explains are not counted.
///
/// # Errors
///
/// [`TooLittle`] where not even the newest origin has enough before it.
pub fn backtest(
    load: &History,
    calendar: &Calendar,
    steps: usize,
    origins: usize,
    seed: u64,
) -> Result<Backtest, TooLittle> {
    let day = Period::DAY.steps(load.step).max(1);
    let apart = (steps / 2).max(day);
    let actual = demand(load, calendar);
    let mut tallies: Vec<(Voice, Tally)> =
        Voice::all().map(|voice| (voice, Tally::default())).collect();
    let mut done = Vec::new();
    for i in 0..origins {
        let Some(origin) = load.values.len().checked_sub(steps + i * apart) else {
            break;
        };
        let before = load.until(load.time(origin));
        let learnt = match Learnt::new(&before, calendar, steps) {
            Ok(learnt) => learnt,
            Err(too_little) if done.is_empty() => return Err(too_little),
            Err(_) => break,
        };
        for (voice, tally) in &mut tallies {
            let forecast = learnt.speak(*voice, &before, calendar, seed);
            tally.add(&forecast, &actual[origin..origin + steps], day, learnt.naive());
        }
        done.push(load.time(origin));
    }
    done.reverse();
    Ok(Backtest {
        origins: done,
        models: tallies.into_iter().map(|(voice, tally)| tally.score(voice.name())).collect(),
    })
}

/// Sums over origins.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    steps: usize,
    scaled: f64,
    error: f64,
    level: f64,
    inside80: usize,
    inside95: usize,
    days: usize,
    peaks: usize,
}

impl Tally {
    fn add(&mut self, forecast: &Forecast, actual: &[f64], day: usize, naive: f64) {
        let steps = forecast.mean.iter().zip(&forecast.quantiles).zip(actual);
        for ((mean, row), &actual) in steps.filter(|(_, actual)| !actual.is_nan()) {
            let inside =
                |[low, high]: [usize; 2]| usize::from(row[low] <= actual && actual <= row[high]);
            self.steps += 1;
            self.scaled += if naive > 0.0 { (mean - actual).abs() / naive } else { 0.0 };
            self.error += mean - actual;
            self.level += actual;
            self.inside80 += inside(INSIDE_80);
            self.inside95 += inside(INSIDE_95);
        }
        for (i, seen) in actual
            .chunks_exact(day)
            .enumerate()
            .filter(|(_, seen)| !seen.iter().any(|y| y.is_nan()))
        {
            let stated = forecast.peak(i * day..(i + 1) * day).quantile(PEAK_LEVEL);
            self.days += 1;
            // paths are in single precision
            self.peaks += usize::from(
                seen.iter().copied().fold(0.0, f64::max)
                    <= stated * (1.0 + f64::from(f32::EPSILON)),
            );
        }
    }

    fn score(self, name: &'static str) -> ModelScore {
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        ModelScore {
            name,
            mase: share(self.scaled, count(self.steps)),
            bias: share(self.error, self.level),
            inside80: share(count(self.inside80), count(self.steps)),
            inside95: share(count(self.inside95), count(self.steps)),
            peaks_inside95: share(count(self.peaks), count(self.days)),
        }
    }
}
