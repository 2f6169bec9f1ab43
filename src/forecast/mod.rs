//! History -> Forecast: quantiles per step, and sampled paths for the distribution of a window's peak.
//!
//! [`forecast`] is the whole of it: lay the series out on the local clock, put back what limits hid, cut
//! outliers, let sixteen cheap members speak, weigh them by their own past, take the intervals from the
//! combination's past errors, sample futures from those, and read the 95 % quantile by three rules at once. No model is fitted by search; each step is a
//! mean, a median or a quantile that can be explained in a sentence.

mod backtest;
mod clean;
mod ensemble;
mod grid;
mod interval;
mod learnt;
mod members;
mod paths;
mod peak;
mod records;
mod score;
mod shift;
mod slots;
mod stats;
mod trend;
mod upper;

use jiff::Timestamp;

use crate::history::History;
use crate::service::Calendar;
use crate::units::Period;

pub use self::backtest::{Backtest, ModelScore, backtest};
use self::learnt::{Learnt, Voice};
pub use self::peak::Peak;
pub use self::records::Records;

/// The levels of every forecast's quantiles.
pub const LEVELS: [f64; 7] = [0.025, 0.1, 0.5, 0.9, 0.95, 0.975, 0.99];

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
    /// Sampled futures, all of one length: the quantile of a maximum comes from these and from `records`.
    pub paths: Vec<Vec<f32>>,
    /// The highest days so far: the upper half of a window's peak is held against them.
    pub records: Records,
    /// Growth as a share of the level per day, as far as the past agrees on it; 0 where it does not.
    pub growth_per_day: f64,
    /// The members of the ensemble and their weights, heaviest first; weights sum to 1.
    pub members: Vec<MemberWeight>,
    /// How the forecast did on its own past.
    pub score: Score,
}

/// A member of the ensemble and its say.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberWeight {
    /// Stable name: `last-week`, `weekly-profile`.
    pub name: &'static str,
    /// A sentence for people: "last week's shape".
    pub means: &'static str,
    /// Share of the combination, 0 to 1.
    pub weight: f64,
}

/// Backtest figures of the combination, up to a week ahead of rolling origins inside the history.
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
    Ok(Learnt::new(load, calendar, steps)?.speak(Voice::Ensemble, load, calendar, seed))
}
