//! Intervals from how far the truth lay from the combination at past origins, not from a model's variance.
//!
//! Residuals are brought to one scale (half by hour of day, half overall, and by the forecast's level to
//! the power 1/8: nearly additive, a little multiplicative), pooled by lead, weighted by recency; their
//! quantiles, scaled back, are the interval (split conformal prediction; Lei et al., *JASA* 113, 2018).
//! Two things are added for what a short past cannot show: a Student factor for the number of
//! independent days behind the quantile, and a small share of a normal distribution of the seasonal naive error.
//!
//! A quantile is looked up by its standard normal score, so that sampled paths and stated quantiles
//! come from one and the same curve.

use statrs::distribution::{ContinuousCDF, Normal};

use super::ensemble::Trial;
use super::members::Seasons;
use super::stats::{count, weighted_quantiles};

/// After this many days an error has half its say: longer than in the weights, since how wrong a forecast can be is
/// learnt from rare days, and whose forecast is right from the newest.
const HALF_LIFE_D: f64 = 21.0;
/// Share of the hour of day in the scale; the rest is overall.
const SLOT_SHARE: f64 = 0.5;
/// Levels below this share of the mean do not shrink the noise any further.
const LEVEL_FLOOR: f64 = 0.05;
/// Days of residuals at which a lead's own quantiles have half the say, against those of shorter leads.
const SHRINK_D: f64 = 3.0;
/// Share of the normal distribution of the naive error.
const NORMAL_SHARE: f64 = 0.2;
/// Mean absolute value of a standard normal variable: sqrt(2 / pi).
const NORMAL_MAE: f64 = 0.797_884_560_802_865_4;
/// Share of the origins whose errors are new: of two half a day apart one sees the day of the other, and all share a level.
const INDEPENDENT_SHARE: f64 = 0.5;
/// Fewest degrees of freedom: at 2 the 97.5 % quantile is already twice the normal one.
const FREEDOM_MIN: f64 = 2.0;
/// Curves reach this many standard deviations either way, beyond which lies one path in 30,000.
const SCORE_MAX: f64 = 4.0;
/// Points of a curve per standard deviation.
const PER_SCORE: usize = 32;
const POINTS: usize = 8 * PER_SCORE + 1;
/// Days ahead at which a new pool of residuals begins.
const POOLS: [usize; 5] = [0, 1, 3, 7, 14];

/// Error in units of its size at evenly spaced standard normal scores. Of known length, so that reading needs no
/// bounds check: a forecast reads some hundred thousand times.
pub(super) type Curve = [f64; POINTS];

/// The curve of who is never wrong.
#[cfg(test)]
pub(super) const FLAT: Curve = [0.0; POINTS];

/// The distribution of errors around the combination.
#[derive(Debug, Clone)]
pub(super) struct Spread {
    seasons: Seasons,
    /// Typical size of an error by slot of day, at `level`.
    sizes: Vec<f64>,
    level: f64,
    /// Error in units of its size against the standard normal score, per pool of leads.
    curves: Vec<Curve>,
    /// How errors hang together along a path.
    pub memory: ErrorMemory,
}

/// Correlation of errors along one forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ErrorMemory {
    /// From one step to the next.
    pub step: f64,
    /// From one day to the next.
    pub day: f64,
}

/// Errors at past origins: what came minus what was said, brought down where the load has declined since; NaN where nothing was seen.
struct Residual {
    slot: usize,
    said: f64,
    error: f64,
}

impl Spread {
    /// From the `said` combinations of the `trials`, what was `actual`ly seen, and the mean absolute error
    /// of the seasonal naive forecast.
    pub(super) fn new(
        trials: &[Trial],
        said: &[Vec<f64>],
        actual: &[f64],
        seasons: Seasons,
        phase: usize,
        naive: f64,
    ) -> Self {
        let residuals: Vec<Vec<Residual>> = trials
            .iter()
            .zip(said)
            .map(|(trial, said)| {
                said.iter()
                    .enumerate()
                    .map(|(h, &said)| Residual {
                        slot: (phase + trial.origin + h) % seasons.day,
                        said,
                        error: trial.declined * (actual[trial.origin + h] - said),
                    })
                    .collect()
            })
            .collect();
        let weights: Vec<f64> = trials.iter().map(|trial| trial.weight(HALF_LIFE_D)).collect();
        let (sizes, level) = sizes(&residuals, &weights, seasons.day, naive);
        let mut spread = Self {
            seasons,
            sizes,
            level,
            curves: Vec::new(),
            memory: ErrorMemory { step: 0.0, day: 0.0 },
        };
        let scaled: Vec<Vec<f64>> = residuals
            .iter()
            .map(|trial| trial.iter().map(|r| r.error / spread.size(r.slot, r.said)).collect())
            .collect();
        let overall = spread.sizes.iter().sum::<f64>() / count(seasons.day);
        let naive = if overall > 0.0 { naive / NORMAL_MAE / overall } else { 0.0 };
        spread.memory = ErrorMemory {
            step: correlation(&scaled, &weights, 1),
            day: correlation(&scaled, &weights, seasons.day),
        };
        let pools = pools(scaled, &weights, seasons.day);
        let freedom = spread.freedom(trials);
        spread.curves = curves(&pools, &freedom, seasons.day, naive);
        spread
    }

    /// Independent errors behind each pool: origins that reach its first lead, of which two stand half a day
    /// apart, and the less the more of an error lasts from day to day.
    fn freedom(&self, trials: &[Trial]) -> [f64; POOLS.len()] {
        POOLS.map(|from| {
            let reach = |trial: &&Trial| trial.rows[0].len() > from * self.seasons.day;
            let weight: f64 =
                trials.iter().filter(reach).map(|trial| trial.weight(HALF_LIFE_D)).sum();
            (INDEPENDENT_SHARE * weight * (1.0 - self.memory.day)).max(FREEDOM_MIN)
        })
    }

    /// Typical size of an error at a slot of day, around a forecast.
    pub(super) fn size(&self, slot: usize, said: f64) -> f64 {
        let relative = if self.level > 0.0 {
            (said / self.level).max(LEVEL_FLOOR).sqrt().sqrt().sqrt()
        } else {
            1.0
        };
        (self.sizes[slot % self.seasons.day] * relative).max(f64::MIN_POSITIVE)
    }

    /// The curve that holds `lead` steps ahead, 0 for the first.
    pub(super) fn curve(&self, lead: usize) -> &Curve {
        &self.curves[pool(lead, self.seasons.day)]
    }
}

/// The standard normal score of a level.
pub(super) fn score(level: f64) -> f64 {
    Normal::standard().inverse_cdf(level)
}

/// The level of a standard normal score.
pub(super) fn level(score: f64) -> f64 {
    Normal::standard().cdf(score)
}

/// The value of a curve at a standard normal score.
pub(super) fn read(curve: &Curve, score: f64) -> f64 {
    read_mirrored(curve, score)[0]
}

/// The values of a curve at a standard normal score and at its opposite, which lies as far from the other end.
#[inline]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the curve")]
pub(super) fn read_mirrored(curve: &Curve, score: f64) -> [f64; 2] {
    let place = ((score + SCORE_MAX) * count(PER_SCORE)).clamp(0.0, count(POINTS - 1));
    let left = (place as u32 as usize).min(POINTS - 2);
    let share = place - count(left);
    let (up, down) = (POINTS - 1 - left, POINTS - 2 - left);
    [
        curve[left] + share * (curve[left + 1] - curve[left]),
        curve[up] + share * (curve[down] - curve[up]),
    ]
}

fn pool(lead: usize, day: usize) -> usize {
    POOLS.iter().rposition(|&from| lead >= from * day).unwrap_or(0)
}

/// Mean absolute error by slot, mixed with the overall one, and the mean of what was said.
fn sizes(residuals: &[Vec<Residual>], weights: &[f64], day: usize, naive: f64) -> (Vec<f64>, f64) {
    let mut slots = vec![(0.0, 0.0); day];
    let (mut error, mut said, mut total) = (0.0, 0.0, 0.0);
    for (trial, weight) in residuals.iter().zip(weights) {
        for r in trial.iter().filter(|r| !r.error.is_nan()) {
            slots[r.slot].0 += weight * r.error.abs();
            slots[r.slot].1 += weight;
            error += weight * r.error.abs();
            said += weight * r.said;
            total += weight;
        }
    }
    if error <= 0.0 {
        return (vec![naive; day], 0.0);
    }
    let overall = error / total;
    let size = |(sum, weight): (f64, f64)| {
        let own = if weight > 0.0 { sum / weight } else { overall };
        SLOT_SHARE * own + (1.0 - SLOT_SHARE) * overall
    };
    (slots.into_iter().map(size).collect(), said / total)
}

/// Scaled errors with their weights, sorted, by lead.
fn pools(scaled: Vec<Vec<f64>>, weights: &[f64], day: usize) -> Vec<Vec<(f64, f64)>> {
    let mut pools = vec![Vec::new(); POOLS.len()];
    for (trial, &weight) in scaled.into_iter().zip(weights) {
        for (lead, error) in trial.into_iter().enumerate().filter(|(_, error)| !error.is_nan()) {
            pools[pool(lead, day)].push((error, weight));
        }
    }
    for pool in &mut pools {
        pool.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    }
    pools
}

fn curves(pools: &[Vec<(f64, f64)>], freedom: &[f64], day: usize, naive: f64) -> Vec<Curve> {
    let scores: Vec<f64> = (0..POINTS).map(|i| count(i) / count(PER_SCORE) - SCORE_MAX).collect();
    let levels: Vec<f64> = scores.iter().map(|&score| Normal::standard().cdf(score)).collect();
    let days = |pool: &[(f64, f64)]| pool.iter().map(|pair| pair.1).sum::<f64>() / count(day);
    let mut shorter: Option<Vec<f64>> = None;
    pools
        .iter()
        .zip(freedom)
        .map(|(pool, &freedom)| {
            let own = weighted_quantiles(pool, &levels);
            let plain = match (own, shorter.take()) {
                (Some(own), Some(shorter)) => {
                    let share = days(pool) / (days(pool) + SHRINK_D);
                    own.iter()
                        .zip(shorter)
                        .map(|(own, shorter)| share * own + (1.0 - share) * shorter)
                        .collect()
                }
                (Some(curve), None) | (None, Some(curve)) => curve,
                (None, None) => scores.iter().map(|score| naive * score).collect(),
            };
            let curve = plain.iter().zip(&scores).map(|(plain, &score)| {
                (1.0 - NORMAL_SHARE) * student(score, freedom) * plain
                    + NORMAL_SHARE * naive * score
            });
            let curve = rising(curve);
            shorter = Some(plain);
            curve
        })
        .collect()
}

/// Quantile of Student's t over that of the normal distribution at the same level
/// (Abramowitz & Stegun 26.7.5, two terms).
pub(super) fn student(score: f64, freedom: f64) -> f64 {
    let square = score * score;
    1.0 + (square + 1.0) / (4.0 * freedom)
        + ((5.0 * square + 16.0) * square + 3.0) / (96.0 * freedom * freedom)
}

fn rising(values: impl Iterator<Item = f64>) -> Curve {
    let mut curve = [f64::NEG_INFINITY; POINTS];
    let mut highest = f64::NEG_INFINITY;
    for (point, value) in curve.iter_mut().zip(values) {
        highest = highest.max(value);
        *point = highest;
    }
    curve
}

/// Correlation of scaled errors `lag` steps apart within the same forecast, 0 to 1. Errors are cut at
/// three times their typical size, so that one spike does not speak for all.
fn correlation(scaled: &[Vec<f64>], weights: &[f64], lag: usize) -> f64 {
    let cut = |error: f64| error.clamp(-3.0, 3.0);
    let (mut product, mut left, mut right) = (0.0, 0.0, 0.0);
    for (trial, weight) in scaled.iter().zip(weights) {
        for (&a, &b) in
            trial.iter().zip(trial.iter().skip(lag)).filter(|(a, b)| !a.is_nan() && !b.is_nan())
        {
            product += weight * cut(a) * cut(b);
            left += weight * cut(a) * cut(a);
            right += weight * cut(b) * cut(b);
        }
    }
    let scale = (left * right).sqrt();
    if scale > 0.0 { (product / scale).clamp(0.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]
    use super::*;

    #[test]
    fn the_student_factor_is_that_of_scipy() {
        // data/reference/forecast.py; two terms of the series fall short by 0.5 % at 10 degrees of freedom, by 3 %
        // at 4 and by a fifth at 2, where it matters only that the interval is about twice as wide
        let cases = [
            (10.0, 0.9, 1.0707, 0.005),
            (10.0, 0.975, 1.1368, 0.005),
            (10.0, 0.99, 1.1880, 0.005),
            (4.0, 0.975, 1.4166, 0.03),
            (2.0, 0.975, 2.1953, 0.2),
            (2.0, 0.99, 2.9938, 0.2),
        ];
        for (freedom, level, expected, tolerance) in cases {
            let seen = student(score(level), freedom);
            assert!((seen / expected - 1.0).abs() < tolerance, "{seen} for {expected}");
            assert!(seen <= expected * 1.001);
        }
    }

    #[test]
    fn a_curve_is_read_between_its_points_and_held_at_its_ends() {
        let curve: Curve = std::array::from_fn(|i| count(i) / count(PER_SCORE) - SCORE_MAX);
        for score in [-4.0, -1.3, 0.0, 0.015, 2.5, 4.0] {
            assert!((read(&curve, score) - score).abs() < 1e-12);
        }
        assert_eq!([read(&curve, -9.0), read(&curve, 9.0)], [-4.0, 4.0]);
    }

    #[test]
    fn leads_are_pooled_by_day_days_week_fortnight_and_beyond() {
        let pools = [0, 23, 24, 71, 72, 167, 168, 335, 336, 5000].map(|lead| pool(lead, 24));
        assert_eq!(pools, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    }

    #[test]
    fn errors_that_last_are_told_from_errors_that_alternate() {
        assert!(
            (correlation(&[vec![1.0; 50], vec![-1.0; 50]], &[1.0, 1.0], 24) - 1.0).abs() < 1e-12
        );
        let alternating: Vec<f64> = (0..50).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        assert_eq!(correlation(&[alternating], &[1.0], 1), 0.0);
    }
}
