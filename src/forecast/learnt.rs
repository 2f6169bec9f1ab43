//! What is learnt from a history, and the forecast that one voice, the ensemble or a single member, makes of it.

use jiff::Timestamp;

use super::ensemble::Fit;
use super::grid::Grid;
use super::interval::{self, Spread};
use super::members::{COUNT, MEMBERS, Memory, Seasons};
use super::paths::{self, Ahead};
use super::records::Records;
use super::score;
use super::shift::Shift;
use super::stats::count;
use super::trend::{Growth, Weeks};
use super::upper::Upper;
use super::{Forecast, LEVELS, MemberWeight, TooLittle, clean};
use crate::history::History;
use crate::service::Calendar;

/// Days of samples without which nothing is forecast: one day to learn from and one to be tested on.
const DAYS_MIN: usize = 2;
/// Days of samples without which a week or more is not forecast: a weekend that was never seen cannot be expected.
const DAYS_MIN_FOR_WEEK: usize = 7;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    /// All members, by their weights.
    Ensemble,
    /// One member alone, by its place in [`MEMBERS`].
    Member(usize),
}

impl Voice {
    /// Everyone who can speak, the ensemble first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Ensemble).chain((0..COUNT).map(Self::Member))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ensemble => "ensemble",
            Self::Member(member) => MEMBERS[member].0,
        }
    }
}

/// A history made ready, its members tried on the past and asked for the future.
pub(super) struct Learnt {
    steps: usize,
    grid: Grid,
    fit: Fit,
    growth: Growth,
    weeks: Weeks,
    naive: f64,
    /// The same, errors from before a decline brought down to today.
    noise: f64,
}

impl Learnt {
    pub(super) fn new(
        load: &History,
        calendar: &Calendar,
        steps: usize,
    ) -> Result<Self, TooLittle> {
        let mut grid = Grid::new(load, calendar, steps);
        enough(load, &grid, steps)?;
        if let Some(shift) = Shift::find(&grid.seen, grid.seasons) {
            shift.carry(&mut grid.seen);
            shift.carry(&mut grid.bounds);
        }
        let learnt = clean::clip(&uncensored(&grid), grid.seasons);
        let growth = Growth::new(&learnt, grid.seasons);
        let weeks = Weeks::new(&learnt, grid.seasons);
        let mut fit = Fit::new(&learnt, &grid, grid.reach(), growth);
        for trial in &mut fit.trials {
            trial.declined =
                weeks.declined((learnt.len() - trial.origin) / grid.seasons.day, growth);
        }
        Ok(Self {
            steps,
            fit,
            growth,
            naive: naive_error(&grid.seen, grid.seasons, |_| 1.0),
            noise: naive_error(&grid.seen, grid.seasons, |days| weeks.declined(days, growth)),
            weeks,
            grid,
        })
    }

    /// Mean absolute error of the seasonal naive forecast within the history.
    pub(super) fn naive(&self) -> f64 {
        self.naive
    }

    /// The forecast of one voice, with intervals from its own past errors.
    pub(super) fn speak(
        &self,
        voice: Voice,
        load: &History,
        calendar: &Calendar,
        seed: u64,
    ) -> Forecast {
        let Self { grid, fit, growth, weeks, naive, noise, .. } = self;
        let said = fit.past(voice, grid.seasons, *growth);
        let spread = Spread::new(&fit.trials, &said, &grid.seen, grid.seasons, grid.phase, *noise);
        let means = fit.ahead(voice, grid.seasons, *growth);
        let end = grid.phase + grid.seen.len();
        let ahead: Vec<Ahead> = (load.values.len()..)
            .zip(&grid.ahead)
            .map(|(i, &lead)| Ahead {
                mean: means[lead],
                size: spread.size(end + lead, means[lead]),
                curve: spread.curve(lead),
                factor: event_factor(calendar, load.time(i)),
            })
            .collect();
        let scores = LEVELS.map(interval::score);
        let upper = Upper::new(&fit.trials, &said, grid);
        let row = |(step, lead): (&Ahead, &usize)| {
            let interval = scores.map(|score| step.at(score));
            upper.within(interval, end + lead, step).to_vec()
        };
        Forecast {
            start: load.end(),
            step: load.step,
            levels: LEVELS.to_vec(),
            quantiles: ahead.iter().zip(&grid.ahead).map(row).collect(),
            mean: ahead.iter().map(|step| step.mean * step.factor).collect(),
            paths: paths::sample(&ahead, spread.memory, seed),
            records: Records::new(grid, *growth, weeks),
            growth_per_day: growth.per_day,
            members: members(voice, fit, self.steps, grid.seasons),
            score: score::of(fit, &said, grid, *naive),
        }
    }
}

/// The product of the factors of all events in force at a moment, within what one of them may be squared.
fn event_factor(calendar: &Calendar, at: Timestamp) -> f64 {
    let in_force = calendar.events.iter().filter(|event| event.from <= at && at < event.to);
    in_force.map(|event| event.multiply).product::<f64>().clamp(1e-4, 1e4)
}

/// The members that have a say over the horizon, heaviest first.
fn members(voice: Voice, fit: &Fit, steps: usize, seasons: Seasons) -> Vec<MemberWeight> {
    let weights = match voice {
        Voice::Ensemble => fit.weights.over(steps, seasons),
        Voice::Member(member) => std::array::from_fn(|i| f64::from(u8::from(i == member))),
    };
    let mut members: Vec<MemberWeight> = MEMBERS
        .iter()
        .zip(weights)
        .filter(|(_, weight)| *weight > 0.0)
        .map(|(&(name, means), weight)| MemberWeight { name, means, weight })
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
            memory.usual(step).map_or(bound, |usual| usual.max(bound)).max(seen)
        };
        memory.see(step, value);
        value
    };
    grid.seen.iter().zip(&grid.bounds).enumerate().map(demand).collect()
}

/// Mean absolute error of "last week again", or of "yesterday again" under two weeks of history, each error times the
/// factor for its age in days.
fn naive_error(seen: &[f64], seasons: Seasons, factor: impl Fn(usize) -> f64) -> f64 {
    let lag = if seen.len() >= 2 * seasons.week() { seasons.week() } else { seasons.day };
    let errors = seen.iter().zip(seen.iter().skip(lag)).map(|(before, now)| (now - before).abs());
    let aged = errors.rev().enumerate().map(|(age, error)| factor(age / seasons.day) * error);
    let (sum, n) =
        aged.filter(|error| !error.is_nan()).fold((0.0, 0), |(sum, n), error| (sum + error, n + 1));
    if n > 0 { sum / count(n) } else { 0.0 }
}

fn enough(load: &History, grid: &Grid, steps: usize) -> Result<(), TooLittle> {
    let day = grid.seasons.day;
    let week_or_more = steps >= grid.seasons.week();
    let needed = if week_or_more { DAYS_MIN_FOR_WEEK } else { DAYS_MIN } * day;
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
        enough_at: load.end().checked_add(jiff::SignedDuration::from_secs(seconds)).ok(),
    })
}

/// `7 days`, `36 hours`.
fn span(days: f64) -> String {
    if days >= 2.0 { format!("{days:.0} days") } else { format!("{:.0} hours", days * 24.0) }
}
