//! What is kept of a series: fading means, the last values of a slot of day or week, and smoothed levels.
//!
//! Sources: exponential smoothing as in Hyndman & Athanasopoulos, *Forecasting: Principles and Practice* (3rd ed.),
//! section 8.1.

use super::stats::median;

/// Most values of a slot that a median is taken of.
const KEPT_MAX: usize = 8;

/// A recency-weighted mean: every visit multiplies the weight of all earlier ones by `fade`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fading {
    sum: f64,
    weight: f64,
}

impl Fading {
    pub(super) fn add(&mut self, value: f64, fade: f64) {
        self.sum = self.sum * fade + value;
        self.weight = self.weight * fade + 1.0;
    }

    pub(super) fn mean(self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// The last values of each slot, newest overwriting oldest, and their median, kept up to date because it is
/// asked for far more often than a value comes.
#[derive(Debug, Clone)]
pub(super) struct Rings {
    kept: usize,
    values: Vec<f64>,
    seen: Vec<usize>,
    medians: Vec<f64>,
}

impl Rings {
    pub(super) fn new(slots: usize, kept: usize) -> Self {
        Self {
            kept,
            values: vec![0.0; slots * kept],
            seen: vec![0; slots],
            medians: vec![0.0; slots],
        }
    }

    pub(super) fn add(&mut self, slot: usize, value: f64) {
        let ring = &mut self.values[slot * self.kept..][..self.kept];
        ring[self.seen[slot] % self.kept] = value;
        self.seen[slot] += 1;
        let have = self.seen[slot].min(self.kept);
        let mut buffer = [0.0; KEPT_MAX];
        buffer[..have].copy_from_slice(&ring[..have]);
        self.medians[slot] = median(&mut buffer[..have]).unwrap_or(value);
    }

    pub(super) fn median(&self, slot: usize) -> Option<f64> {
        (self.seen[slot] > 0).then(|| self.medians[slot])
    }

    pub(super) fn last(&self, slot: usize) -> Option<f64> {
        let newest = self.seen[slot].checked_sub(1)?;
        Some(self.values[slot * self.kept + newest % self.kept])
    }
}

/// Exponential smoothing with several constants at once; the one with the least absolute error so far speaks.
#[derive(Debug, Clone)]
pub(super) struct Smoothed<const N: usize> {
    alphas: [f64; N],
    levels: [f64; N],
    errors: [f64; N],
    started: bool,
}

impl<const N: usize> Smoothed<N> {
    pub(super) fn new(alphas: [f64; N]) -> Self {
        Self { alphas, levels: [0.0; N], errors: [0.0; N], started: false }
    }

    pub(super) fn add(&mut self, value: f64) {
        if !self.started {
            self.levels = [value; N];
            self.started = true;
        }
        for i in 0..N {
            let error = value - self.levels[i];
            self.errors[i] += error.abs();
            self.levels[i] += self.alphas[i] * error;
        }
    }

    pub(super) fn level(&self) -> f64 {
        let best =
            (1..N).fold(0, |best, i| if self.errors[i] < self.errors[best] { i } else { best });
        self.levels[best]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]
    use super::*;

    #[test]
    fn smoothing_gives_the_numbers_of_statsmodels() {
        // data/reference/forecast.py; tolerance 1e-9 of about 100. Alpha 0.2 has the least error of the three.
        let mut smoothed = Smoothed::new([0.05, 0.2, 0.5]);
        for t in 0..40 {
            smoothed.add(f64::from(100 + t * 37 % 23) + 0.5 * f64::from(t));
        }
        let levels = [120.918_863_172_746_37, 129.181_934_631_103_64, 131.645_166_950_832_4];
        let errors = [420.327_198_938_649_93, 270.387_936_727_566_55, 300.372_522_689_556_7];
        for i in 0..3 {
            assert!((smoothed.levels[i] - levels[i]).abs() < 1e-9);
            assert!((smoothed.errors[i] - errors[i]).abs() < 1e-9);
        }
        assert_eq!(smoothed.level(), smoothed.levels[1]);
    }
}
