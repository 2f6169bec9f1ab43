//! Order statistics of plain and weighted values.
//!
//! Source: Hyndman & Fan, "Sample quantiles in statistical packages", *The American Statistician* 50 (1996), rule 5.

/// A number of steps as a factor.
#[expect(clippy::cast_precision_loss, reason = "counts of steps stay far below 2^53")]
pub(super) fn count(n: usize) -> f64 {
    n as f64
}

/// The median; reorders `values`. `None` without values.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let (even, middle) = (values.len().is_multiple_of(2), values.len() / 2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if even {
        let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        return Some(0.5 * (lower + upper));
    }
    Some(upper)
}

/// The quantile at `level` by Hyndman & Fan's rule 5; reorders `values`. `None` without values.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the places"
)]
pub(super) fn quantile(values: &mut [f64], level: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let place = (level * count(values.len()) - 0.5).clamp(0.0, count(last));
    let (_, &mut below, above) = values.select_nth_unstable_by(place as usize, f64::total_cmp);
    let next = above.iter().copied().reduce(f64::min).unwrap_or(below);
    Some(below + place.fract() * (next - below))
}

/// The weighted median at each of `steps` steps of `rows` with their weights, which sum to 1: midway between the lowest
/// value at or below which half the weight lies and the lowest at or below which more than half does. Infinite without
/// rows.
///
/// Each row is held against each, all steps at once: a dozen rows are sooner compared without a branch than sorted.
pub(super) fn weighted_medians(rows: &[(&[f64], f64)], steps: usize) -> Vec<f64> {
    let [mut lower, mut upper] = [(); 2].map(|()| vec![f64::INFINITY; steps]);
    let mut at_or_below = vec![0.0; steps];
    for &(values, _) in rows {
        at_or_below.fill(0.0);
        for &(others, weight) in rows {
            for ((sum, other), value) in at_or_below.iter_mut().zip(others).zip(values) {
                *sum += if other <= value { weight } else { 0.0 };
            }
        }
        let middles = lower.iter_mut().zip(&mut upper);
        for ((&sum, &value), (lower, upper)) in at_or_below.iter().zip(values).zip(middles) {
            if sum > 0.5 - 1e-12 {
                *lower = value.min(*lower);
            }
            if sum > 0.5 + 1e-12 {
                *upper = value.min(*upper);
            }
        }
    }
    lower.iter().zip(upper).map(|(lower, upper)| 0.5 * (lower + upper)).collect()
}

/// Quantiles at rising `levels` of pairs (value, weight) sorted by value: linear between the midpoints of
/// the weights (Hyndman & Fan's rule 5, with weights). `None` without pairs.
pub(super) fn weighted_quantiles(sorted: &[(f64, f64)], levels: &[f64]) -> Option<Vec<f64>> {
    let (first, last) = (sorted.first()?, sorted.last()?);
    let total: f64 = sorted.iter().map(|pair| pair.1).sum();
    let mut below = 0.0;
    let mut left = (0.5 * first.1, first.0);
    let mut rest = sorted.iter();
    let mut right = None;
    let quantiles = levels.iter().map(|level| {
        let target = level * total;
        loop {
            match right {
                Some((middle, _)) if middle < target => {
                    left = (middle, right.take().map_or(left.1, |r| r.1));
                }
                Some((middle, value)) if middle > left.0 => {
                    let share = ((target - left.0) / (middle - left.0)).max(0.0);
                    return left.1 + share * (value - left.1);
                }
                Some((_, value)) => return value,
                None => match rest.next() {
                    Some(&(value, weight)) => {
                        right = Some((below + 0.5 * weight, value));
                        below += weight;
                    }
                    None => return last.0,
                },
            }
        }
    });
    Some(quantiles.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&mut [5.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn the_weighted_median_is_where_half_the_weight_lies_below() {
        // of 1, 2, 3: 0.2 | 0.5 of the weight lies at or below 2 where it weighs 0.3; turned round, 3 alone has half
        let rows: [&[f64]; 3] =
            [&[3.0, 1.0, 2.0, 5.0], &[1.0, 2.0, 2.0, 5.0], &[2.0, 3.0, 7.0, 5.0]];
        let of = |weights: [f64; 3]| {
            weighted_medians(&std::array::from_fn::<_, 3, _>(|i| (rows[i], weights[i])), 4)
        };
        assert_eq!(of([0.5, 0.2, 0.3]), [2.5, 1.5, 2.0, 5.0]);
        assert_eq!(of([0.4, 0.2, 0.4]), [2.0, 2.0, 2.0, 5.0]);
        assert_eq!(of([1.0, 0.0, 0.0]), rows[0]);
    }

    #[test]
    fn quantiles_with_equal_weights_are_those_of_hyndman_and_fan_rule_five() {
        // R: quantile(c(1,2,4,8), c(.05,.25,.5,.9,.99), type = 5) = 1, 1.5, 3, 8, 8; .7 -> 4 + (2.8 - 2.5) * 4
        let sorted = [(1.0, 1.0), (2.0, 1.0), (4.0, 1.0), (8.0, 1.0)];
        let seen = weighted_quantiles(&sorted, &[0.05, 0.25, 0.5, 0.7, 0.9, 0.99]).unwrap();
        for (seen, expected) in seen.iter().zip([1.0, 1.5, 3.0, 5.2, 8.0, 8.0]) {
            assert!((seen - expected).abs() < 1e-12, "{seen} for {expected}");
        }
        assert_eq!(weighted_quantiles(&[], &[0.5]), None);
    }

    #[test]
    fn a_plain_quantile_is_that_of_the_same_rule() {
        let mut values = [8.0, 1.0, 4.0, 2.0];
        for (level, expected) in [(0.05, 1.0), (0.25, 1.5), (0.5, 3.0), (0.7, 5.2), (0.99, 8.0)] {
            let seen = quantile(&mut values, level).unwrap();
            assert!((seen - expected).abs() < 1e-12, "{seen} for {expected}");
        }
        assert_eq!((quantile(&mut [], 0.5), quantile(&mut [7.0], 0.5)), (None, Some(7.0)));
    }

    #[test]
    fn a_weight_of_two_is_about_the_same_as_two_values() {
        let twice = weighted_quantiles(&[(1.0, 1.0), (2.0, 2.0), (5.0, 1.0)], &[0.5]).unwrap();
        assert!((twice[0] - 2.0).abs() < 1e-12);
    }
}
