//! A robust straight line: Theil (1950) and Sen (1968), "Estimates of the regression coefficient based
//! on Kendall's tau", J. Am. Stat. Assoc. 63. The slope is the median of all pairwise slopes; up to 29 %
//! of the points may be wild without moving it far. The interval of the slope is Sen's, from the variance
//! of Kendall's S without ties.

use statrs::distribution::{ContinuousCDF, Normal};

/// A fitted line and how sure its slope is.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Value at x = 0.
    pub intercept: f64,
    /// Change per unit of x.
    pub slope: f64,
    /// All pairwise slopes, rising.
    slopes: Vec<f64>,
    /// Number of points.
    points: usize,
}

impl Line {
    /// Fits `(x, y)`; `None` for fewer than three points or where all x are equal.
    #[must_use]
    pub fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let pairs = points
            .iter()
            .enumerate()
            .flat_map(|(i, a)| points[i + 1..].iter().map(move |b| (a, b)));
        let mut slopes: Vec<f64> =
            pairs.filter(|(a, b)| a.0 != b.0).map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect();
        if points.len() < 3 || slopes.is_empty() {
            return None;
        }
        slopes.sort_by(f64::total_cmp);
        let slope = median(&slopes);
        let mut rests: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
        rests.sort_by(f64::total_cmp);
        Some(Self { intercept: median(&rests), slope, slopes, points: points.len() })
    }

    /// The slope that the true one stays under with probability `level`, by Sen's interval.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank, clamped to the slopes there are"
    )]
    #[must_use]
    pub fn slope_at(&self, level: f64) -> f64 {
        let n = self.points as f64;
        let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
        let pairs = self.slopes.len() as f64;
        let rank = (pairs + Normal::standard().inverse_cdf(level) * deviation) / 2.0;
        self.slopes[(rank.round().max(0.0) as usize).min(self.slopes.len() - 1)]
    }
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_wild_point_does_not_move_the_line() {
        // y = 2 + 3x with one point at 1000
        let mut points: Vec<(f64, f64)> =
            (0..20).map(|x| (f64::from(x), 2.0 + 3.0 * f64::from(x))).collect();
        points[7].1 = 1000.0;
        let line = Line::fit(&points).unwrap();
        assert!((line.slope - 3.0).abs() < 1e-9 && (line.intercept - 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_slope_agrees_with_scipy() {
        // scipy 1.17: stats.theilslopes([1.1, 1.9, 3.2, 3.8, 5.3, 5.9, 7.4], range(7), 0.8, "joint")
        // slope 1.05, intercept 1.1, high_slope 1.1
        let y = [1.1, 1.9, 3.2, 3.8, 5.3, 5.9, 7.4];
        let points: Vec<(f64, f64)> = (0u8..).map(f64::from).zip(y).collect();
        let line = Line::fit(&points).unwrap();
        assert!((line.slope - 1.05).abs() < 1e-9, "{}", line.slope);
        assert!((line.intercept - 1.1).abs() < 1e-9, "{}", line.intercept);
        assert!((line.slope_at(0.9) - 1.1).abs() < 1e-9, "{}", line.slope_at(0.9));
    }

    #[test]
    fn too_few_points_make_no_line() {
        assert_eq!(Line::fit(&[(0.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(Line::fit(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None);
    }
}
