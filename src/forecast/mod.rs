//! History -> Forecast: quantiles per step, and sampled paths for the distribution of a window's peak.
//!
//! [`forecast`] is the whole of it: lay the series out on the local clock, put back what limits hid, cut
//! outliers, let sixteen cheap members speak, weigh them by their own past, take the intervals from the
//! combination's past errors, and sample futures from those. No model is fitted by search; each step is a
//! mean, a median or a quantile that can be explained in a sentence.

mod clean;
mod ensemble;
mod grid;
mod interval;
mod members;
mod paths;
mod peak;
mod shift;
mod stats;
mod trend;

use jiff::Timestamp;

use crate::history::History;
use crate::service::Calendar;
use crate::units::Period;

use self::ensemble::Fit;
use self::grid::Grid;
use self::interval::Spread;
use self::members::{MEMBERS, Memory, Seasons};
use self::paths::Ahead;
pub use self::peak::Peak;
use self::shift::Shift;
use self::stats::count;
use self::trend::Growth;

/// The levels of every forecast's quantiles.
pub const LEVELS: [f64; 7] = [0.025, 0.1, 0.5, 0.9, 0.95, 0.975, 0.99];

/// Days of samples without which nothing is forecast: one day to learn from and one to be tested on.
const DAYS_MIN: usize = 2;
/// Days of samples without which a week or more is not forecast: a weekend that was never seen cannot be expected.
const DAYS_MIN_FOR_WEEK: usize = 7;

/// What is expected of a series after the origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Time of the first forecast step.
    pub start: Timestamp,
    /// The distance between steps.
    pub step: Period,
    /// The levels of `quantiles`, rising.
    pub levels: Vec<f64>,
    /// One row per step, one value per level, rising within a row.
    pub quantiles: Vec<Vec<f64>>,
    /// Expected value per step.
    pub mean: Vec<f64>,
    /// Sampled futures, all of one length: the quantile of a maximum comes from these.
    pub paths: Vec<Vec<f32>>,
    /// Growth as a share of the level per day, as far as the past agrees on it; 0 where it does not.
    pub growth_per_day: f64,
    /// The members of the ensemble and their weights, heaviest first; weights sum to 1.
    pub members: Vec<MemberWeight>,
    /// How the forecast did on its own past.
    pub score: Score,
}

/// Forecasts `load` for `steps` steps after its end.
///
/// `load` is any regular series; a NaN is a gap. Spans marked `Masked` and spans of past events are not learnt
/// from; spans marked `Censored` are lower bounds of demand and never pull the forecast down. Seasons follow the
/// local clock of `calendar`; its future events multiply the steps that begin within them. The same arguments give
/// the same bytes.
///
/// # Errors
///
/// [`TooLittle`] with samples for less than two days, or for less than seven where a week or more is asked for.
pub fn forecast(
    load: &History,
    calendar: &Calendar,
    steps: usize,
    seed: u64,
) -> Result<Forecast, TooLittle> {
    let mut grid = Grid::new(load, calendar, steps);
    enough(load, &grid, steps)?;
    let seasons = grid.seasons;
    if let Some(shift) = Shift::find(&grid.seen, seasons) {
        shift.carry(&mut grid.seen);
        shift.carry(&mut grid.bounds);
    }
    let learnt = clean::clip(&uncensored(&grid), seasons);
    let fit = Fit::new(&learnt, &grid, grid.reach());
    let growth = Growth::new(&clean::clip(&grid.seen, seasons), seasons);
    let said = fit.past(seasons, growth);
    let naive = naive_error(&grid.seen, seasons);
    let spread = Spread::new(&fit.trials, &said, &grid.seen, seasons, grid.phase, naive);
    let means = fit.ahead(seasons, growth);
    let slot = |lead: usize| (grid.phase + grid.seen.len() + lead) % seasons.day;
    let ahead: Vec<Ahead> = grid
        .ahead
        .iter()
        .enumerate()
        .map(|(i, &lead)| Ahead {
            mean: means[lead],
            size: spread.size(slot(lead), means[lead]),
            curve: spread.curve(lead),
            factor: event_factor(calendar, load.time(load.values.len() + i)),
        })
        .collect();
    let scores = LEVELS.map(interval::score);
    Ok(Forecast {
        start: load.end(),
        step: load.step,
        levels: LEVELS.to_vec(),
        quantiles: ahead
            .iter()
            .map(|step| scores.map(|score| step.at(score)).to_vec())
            .collect(),
        mean: ahead.iter().map(|step| step.mean * step.factor).collect(),
        paths: paths::sample(&ahead, spread.memory, seed),
        growth_per_day: growth.per_day,
        members: members(&fit, steps, seasons),
        score: own_score(&fit, &said, &grid, naive),
    })
}

/// The product of the factors of all events in force at a moment.
fn event_factor(calendar: &Calendar, at: Timestamp) -> f64 {
    let in_force = calendar
        .events
        .iter()
        .filter(|event| event.from <= at && at < event.to);
    in_force.map(|event| event.multiply).product()
}

/// The members that have a say over the horizon, heaviest first.
fn members(fit: &Fit, steps: usize, seasons: Seasons) -> Vec<MemberWeight> {
    let weights = fit.weights.over(steps, seasons);
    let mut members: Vec<MemberWeight> = MEMBERS
        .iter()
        .zip(weights)
        .filter(|(_, weight)| *weight > 0.0)
        .map(|(&(name, means), weight)| MemberWeight {
            name,
            means,
            weight,
        })
        .collect();
    members.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    members
}

/// What may be learnt from, with censored steps put back at what was seen or, where that is more, at what the
/// usual week at the level before would have brought.
fn uncensored(grid: &Grid) -> Vec<f64> {
    let mut memory = Memory::new(grid.seasons);
    let demand = |(i, (&seen, &bound)): (usize, (&f64, &f64))| {
        let step = grid.phase + i;
        let value = if bound.is_nan() {
            seen
        } else {
            // `f64::max` prefers the number to NaN
            memory
                .usual(step)
                .map_or(bound, |usual| usual.max(bound))
                .max(seen)
        };
        memory.see(step, value);
        value
    };
    grid.seen
        .iter()
        .zip(&grid.bounds)
        .enumerate()
        .map(demand)
        .collect()
}

/// Mean absolute error of "last week again", or of "yesterday again" under two weeks of history.
fn naive_error(seen: &[f64], seasons: Seasons) -> f64 {
    let lag = if seen.len() >= 2 * seasons.week() {
        seasons.week()
    } else {
        seasons.day
    };
    let errors = seen
        .iter()
        .zip(seen.iter().skip(lag))
        .map(|(before, now)| (now - before).abs());
    let (sum, n) = errors
        .filter(|error| !error.is_nan())
        .fold((0.0, 0), |(sum, n), error| (sum + error, n + 1));
    if n > 0 { sum / count(n) } else { 0.0 }
}

fn enough(load: &History, grid: &Grid, steps: usize) -> Result<(), TooLittle> {
    let day = grid.seasons.day;
    let week_or_more = steps >= grid.seasons.week();
    let needed = if week_or_more {
        DAYS_MIN_FOR_WEEK
    } else {
        DAYS_MIN
    } * day;
    let have = grid
        .seen
        .iter()
        .zip(&grid.bounds)
        .filter(|(seen, bound)| !seen.is_nan() || !bound.is_nan())
        .count();
    if have >= needed {
        return Ok(());
    }
    let missing = i64::try_from(needed - have).unwrap_or(i64::MAX);
    let seconds = load.step.0.saturating_mul(missing);
    Err(TooLittle {
        have: span(count(have) / count(day)),
        need: span(count(needed) / count(day)),
        enough_at: load
            .end()
            .checked_add(jiff::SignedDuration::from_secs(seconds))
            .ok(),
    })
}

/// `7 days`, `36 hours`.
fn span(days: f64) -> String {
    if days >= 2.0 {
        format!("{days:.0} days")
    } else {
        format!("{:.0} hours", days * 24.0)
    }
}

/// How the combination did at past origins. The intervals that are counted here come from the older half of the
/// origins and are held against the newer half.
fn own_score(fit: &Fit, said: &[Vec<f64>], grid: &Grid, naive: f64) -> Score {
    let half = fit.trials.len() / 2;
    let spread = Spread::new(
        &fit.trials[..half],
        &said[..half],
        &grid.seen,
        grid.seasons,
        grid.phase,
        naive,
    );
    let scores = [0.025, 0.1, 0.9, 0.975].map(interval::score);
    let (mut n, mut absolute, mut error, mut level) = (0, 0.0, 0.0, 0.0);
    let (mut tested, mut inside80, mut inside95) = (0, 0, 0);
    for (i, (trial, said)) in fit.trials.iter().zip(said).enumerate() {
        for (h, (&mean, &actual)) in said.iter().zip(&grid.seen[trial.origin..]).enumerate() {
            if actual.is_nan() {
                continue;
            }
            n += 1;
            absolute += (mean - actual).abs();
            error += mean - actual;
            level += actual;
            if i >= half {
                let step = Ahead {
                    mean,
                    size: spread.size(grid.phase + trial.origin + h, mean),
                    curve: spread.curve(h),
                    factor: 1.0,
                };
                let [low95, low80, high80, high95] = scores.map(|score| step.at(score));
                tested += 1;
                inside80 += usize::from((low80..=high80).contains(&actual));
                inside95 += usize::from((low95..=high95).contains(&actual));
            }
        }
    }
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    Score {
        origins: fit.trials.len(),
        mase: share(absolute, count(n) * naive),
        bias: share(error, level),
        inside80: share(count(inside80), count(tested)),
        inside95: share(count(inside95), count(tested)),
    }
}

/// A member of the ensemble and its say.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberWeight {
    /// Stable name: `last-week`, `daily-profile`.
    pub name: &'static str,
    /// A sentence for people: "last week's shape".
    pub means: &'static str,
    /// Share of the combination, 0 to 1.
    pub weight: f64,
}

/// Backtest figures of the combination, over rolling origins inside the history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Number of origins.
    pub origins: usize,
    /// Mean absolute error relative to that of the seasonal naive forecast (MASE; Hyndman & Koehler 2006).
    pub mase: f64,
    /// Mean error, forecast minus seen, as a share of the mean load.
    pub bias: f64,
    /// Share of steps inside the central 80 % interval.
    pub inside80: f64,
    /// Share of steps inside the central 95 % interval.
    pub inside95: f64,
}

/// Why no forecast was made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{have} of history seen, {need} needed")]
pub struct TooLittle {
    /// How much history has samples.
    pub have: String,
    /// How much is needed.
    pub need: String,
    /// When there will be enough, if samples keep coming.
    pub enough_at: Option<Timestamp>,
}
