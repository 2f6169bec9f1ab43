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

// --- provisional: replaced by the ensemble ---

use crate::history::History;
use crate::service::Calendar;

/// The distribution of a window's peak.
#[derive(Debug, Clone, PartialEq)]
pub struct Peak {
    sorted: Vec<f64>,
}

impl Peak {
    /// The peak's quantile.
    #[must_use]
    pub fn quantile(&self, level: f64) -> f64 {
        self.sorted[(((self.sorted.len() - 1) as f64) * level).ceil() as usize]
    }

    /// The chance of a peak of at least `load`.
    #[must_use]
    pub fn chance_above(&self, load: f64) -> f64 {
        self.sorted.iter().filter(|peak| **peak >= load).count() as f64 / self.sorted.len() as f64
    }
}

impl Forecast {
    /// The peak of the steps.
    #[must_use]
    pub fn peak(&self, steps: std::ops::Range<usize>) -> Peak {
        let mut sorted: Vec<f64> = self
            .paths
            .iter()
            .map(|p| {
                f64::from(
                    p[steps.start..steps.end.min(p.len())]
                        .iter()
                        .copied()
                        .fold(0.0, f32::max),
                )
            })
            .collect();
        sorted.sort_by(f64::total_cmp);
        Peak { sorted }
    }

    /// The first step by which the load has reached `level` with probability `chance`.
    #[must_use]
    pub fn first_reaching(&self, level: f64, chance: f64) -> Option<Timestamp> {
        let mut first: Vec<usize> = self
            .paths
            .iter()
            .filter_map(|p| p.iter().position(|x| f64::from(*x) >= level))
            .collect();
        first.sort_unstable();
        let need = ((self.paths.len() as f64) * chance).ceil().max(1.0) as usize;
        first
            .get(need - 1)
            .map(|i| self.start + jiff::SignedDuration::from_secs(self.step.0 * *i as i64))
    }
}

/// A provisional forecast: last week, with growth, and noise.
pub fn forecast(
    load: &History,
    _calendar: &Calendar,
    steps: usize,
    seed: u64,
) -> Result<Forecast, TooLittle> {
    use rand_chacha::rand_core::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let n = load.values.len();
    if n < 336 {
        return Err(TooLittle {
            have: format!("{n} h"),
            need: "336 h".to_owned(),
            enough_at: None,
        });
    }
    let mean: Vec<f64> = (0..steps)
        .map(|i| load.values[n - 168 + i % 168])
        .map(|v| if v.is_finite() { v } else { 0.0 })
        .enumerate()
        .map(|(i, v)| v * (1.0 + 0.0105 * (7.0 + i as f64 / 24.0)))
        .collect();
    let levels = vec![0.025, 0.1, 0.5, 0.9, 0.95, 0.975, 0.99];
    let z = [-1.96, -1.28, 0.0, 1.28, 1.64, 1.96, 2.33];
    let quantiles = mean
        .iter()
        .map(|m| z.iter().map(|z| (m * (1.0 + 0.07 * z)).max(0.0)).collect())
        .collect();
    let mut u = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let paths = (0..1000)
        .map(|_| {
            let g = (0..12).map(|_| u()).sum::<f64>() - 6.0;
            mean.iter()
                .map(|m| {
                    (m * (1.0 + 0.05 * g + 0.03 * (u() + u() + u() - 1.5) * 2.0)).max(0.0) as f32
                })
                .collect()
        })
        .collect();
    Ok(Forecast {
        start: load.end(),
        step: load.step,
        levels,
        quantiles,
        mean,
        paths,
        members: vec![],
        score: Score {
            origins: 0,
            mase: 1.0,
            bias: 0.0,
            inside80: 0.8,
            inside95: 0.95,
        },
    })
}
