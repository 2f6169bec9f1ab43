//! Outliers: short excursions far from what the hour of day usually sees are cut before anyone learns from them.
//!
//! The usual range is the median of the slot of day plus and minus six robust standard deviations
//! (1.4826 times the median absolute deviation; Rousseeuw & Croux 1993). What lasts longer than a few
//! hours is a new level and is left alone, and so is what is still going on at the end.

use super::members::Seasons;
use super::stats::median;

/// Half-width of the usual range, in robust standard deviations.
const WIDTH: f64 = 6.0;
/// Standard deviation of a normal distribution over its median absolute deviation.
const NORMAL_MAD: f64 = 1.4826;
/// Longest excursion that counts as an outlier, in hours.
const LONGEST_H: f64 = 6.0;

/// `values` with short excursions moved to the edge of the usual range of their slot of day.
pub(super) fn clip(values: &[f64], seasons: Seasons) -> Vec<f64> {
    let mut clipped = values.to_vec();
    for first in 0..seasons.day.min(values.len()) {
        if let Some((low, high)) = usual_range(values.iter().skip(first).step_by(seasons.day)) {
            for value in clipped.iter_mut().skip(first).step_by(seasons.day) {
                *value = value.clamp(low, high);
            }
        }
    }
    keep_what_lasts(values, &mut clipped, seasons);
    clipped
}

/// `None` for a slot that never varies, which has no scale to judge by.
fn usual_range<'a>(slot: impl Iterator<Item = &'a f64>) -> Option<(f64, f64)> {
    let mut seen: Vec<f64> = slot.copied().filter(|value| !value.is_nan()).collect();
    let middle = median(&mut seen)?;
    for value in &mut seen {
        *value = (*value - middle).abs();
    }
    let reach = WIDTH * NORMAL_MAD * median(&mut seen)?;
    (reach > 0.0).then_some((middle - reach, middle + reach))
}

fn keep_what_lasts(values: &[f64], clipped: &mut [f64], seasons: Seasons) {
    let cut = |t: usize, clipped: &[f64]| clipped[t].to_bits() != values[t].to_bits();
    let mut from = 0;
    while from < values.len() {
        if !cut(from, clipped) {
            from += 1;
            continue;
        }
        let end = (from..values.len()).find(|&t| !cut(t, clipped));
        let to = end.unwrap_or(values.len());
        if end.is_none() || seasons.hours_in(to - from) > LONGEST_H {
            clipped[from..to].copy_from_slice(&values[from..to]);
        }
        from = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten days of 24 steps with a little variation, so that every slot has a scale.
    fn ten_days() -> Vec<f64> {
        (0..240).map(|t| f64::from(100 + t % 24 + (t / 24) % 3)).collect()
    }

    fn clipped(values: &[f64]) -> Vec<f64> {
        clip(values, Seasons::new(24))
    }

    #[test]
    fn a_single_spike_is_cut_to_the_edge_of_the_usual_range() {
        let mut values = ten_days();
        values[120] = 10_000.0;
        // slot 0 sees 100, 101, 102 over ten days: median 101, absolute deviation 1 -> 101 + 6 * 1.4826 = 109.8956
        assert!((clipped(&values)[120] - 109.8956).abs() < 1e-9);
        values[120] = ten_days()[120];
        assert_eq!(clipped(&values), values);
    }

    #[test]
    fn a_level_that_lasts_is_not_an_outlier() {
        let mut values = ten_days();
        values[120..130].fill(10_000.0);
        assert_eq!(clipped(&values), values);
    }

    #[test]
    fn what_is_still_going_on_at_the_end_is_kept() {
        let mut values = ten_days();
        values[238..].fill(10_000.0);
        assert_eq!(clipped(&values), values);
    }
}
