//! History -> Forecast: quantiles per step, and sampled paths for the distribution of a window's peak.

use jiff::Timestamp;

use crate::units::Period;

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
    /// The members of the ensemble and their weights, heaviest first; weights sum to 1.
    pub members: Vec<MemberWeight>,
    /// How the forecast did on its own past.
    pub score: Score,
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
