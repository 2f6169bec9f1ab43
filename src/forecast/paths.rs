//! Sampled futures, for everything that is not a single step: the peak of a window, the date of a crossing.
//!
//! A path is a standard normal score per step, read on the step's own error curve (a Gaussian copula;
//! Nelsen, *An Introduction to Copulas*, 2006), so that at every step the paths are distributed as the stated
//! quantiles. The scores hang together as past errors did: a part that stays for the whole path (the level
//! was misjudged) and a part that fades from step to step.

use std::sync::LazyLock;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::interval::{Curve, ErrorMemory, read, read_mirrored, score};
use super::stats::count;

/// Number of sampled futures: the chance of a peak is known to about 1.5 percentage points at worst.
pub(super) const PATHS: usize = 1_000;
/// Highest correlation from one step to the next, so that a path always moves.
const STICKIEST: f64 = 0.98;
/// Bits of a random number that choose a normal score.
const SCORE_BITS: u32 = 12;

/// Equally likely slices of the normal distribution from which scores are drawn.
const SLICES: usize = 1 << SCORE_BITS;

/// The scores at the middles of the slices. Single precision keeps the table in the fastest cache.
static SCORES: LazyLock<Box<[f32; SLICES]>> = LazyLock::new(|| {
    Box::new(std::array::from_fn(|i| single(score((count(i) + 0.5) / count(SLICES)))))
});

/// One step ahead: what is expected, and the errors around it.
pub(super) struct Ahead<'a> {
    pub mean: f64,
    /// Typical size of an error.
    pub size: f64,
    /// Error in sizes against the standard normal score.
    pub curve: &'a Curve,
    /// Factor of the events in force.
    pub factor: f64,
}

impl Ahead<'_> {
    /// The value at a standard normal score; never negative.
    pub(super) fn at(&self, score: f64) -> f64 {
        self.around(read(self.curve, score))
    }

    /// The values at a standard normal score and at its opposite.
    fn mirrored(&self, score: f64) -> [f64; 2] {
        read_mirrored(self.curve, score).map(|error| self.around(error))
    }

    fn around(&self, error: f64) -> f64 {
        ((self.mean + self.size * error) * self.factor).max(0.0)
    }
}

/// A thousand futures; the same seed gives the same ones. They come in mirrored pairs, which halves the work and
/// makes their quantiles symmetric (antithetic variates; Hammersley & Morton 1956).
pub(super) fn sample(ahead: &[Ahead], memory: ErrorMemory, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scores: &[f32; SLICES] = &SCORES;
    let score = |bits: u32| f64::from(scores[bits as usize % SLICES]);
    // two scores from one number
    let mut normals = move || {
        let bits = rng.next_u32();
        [score(bits >> SCORE_BITS), score(bits)]
    };
    let lasting = memory.day;
    // what is left of the correlation from step to step when the lasting part is taken out
    let fading = if lasting < 1.0 {
        ((memory.step - lasting) / (1.0 - lasting)).clamp(0.0, STICKIEST)
    } else {
        0.0
    };
    let lasting_size = lasting.sqrt();
    let fading_size = (1.0 - lasting).sqrt();
    let fresh_size = (1.0 - fading * fading).sqrt() * fading_size;
    let mut paths = Vec::with_capacity(PATHS);
    for _ in 0..PATHS / 4 {
        let level = normals().map(|normal| lasting_size * normal);
        let mut moving = normals().map(|normal| fading_size * normal);
        let mut four: [Vec<f32>; 4] = std::array::from_fn(|_| vec![0.0; ahead.len()]);
        let [a, b, c, d] = &mut four;
        let places = a.iter_mut().zip(b).zip(c.iter_mut().zip(d));
        for (step, ((a, b), (c, d))) in ahead.iter().zip(places) {
            let fresh = normals();
            for i in 0..2 {
                moving[i] = fading * moving[i] + fresh_size * fresh[i];
            }
            [*a, *b] = step.mirrored(level[0] + moving[0]).map(single);
            [*c, *d] = step.mirrored(level[1] + moving[1]).map(single);
        }
        paths.extend(four);
    }
    paths
}

#[expect(clippy::cast_possible_truncation, reason = "three digits are more than a forecast has")]
fn single(value: f64) -> f32 {
    value as f32
}
