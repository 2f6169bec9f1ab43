//! How a forecast did on its own past, from the trials that shaped it, up to a week ahead.

use super::Score;
use super::ensemble::{Fit, Trial};
use super::grid::Grid;
use super::interval::{self, Spread};
use super::paths::Ahead;
use super::stats::count;

/// How the combination did at past origins. The intervals that are counted here come from the older half of the
/// origins, as they stood at the first origin of the newer half, and are held against that half.
pub(super) fn of(fit: &Fit, said: &[Vec<f64>], grid: &Grid, naive: f64) -> Score {
    let half = fit.trials.len() / 2;
    let (known, heard) = as_known(&fit.trials, said, half);
    let spread = Spread::new(&known, &heard, &grid.seen, grid.seasons, grid.phase, naive);
    let scores = [0.025, 0.1, 0.9, 0.975].map(interval::score);
    let (mut n, mut absolute, mut error, mut level) = (0, 0.0, 0.0, 0.0);
    let (mut tested, mut inside80, mut inside95) = (0, 0, 0);
    for (i, (trial, said)) in fit.trials.iter().zip(said).enumerate() {
        // further ahead "last week again" is no fair measure
        let week = said.iter().zip(&grid.seen[trial.origin..]).take(grid.seasons.week());
        for (h, (&mean, &actual)) in week.enumerate() {
            if actual.is_nan() {
                continue;
            }
            n += 1;
            absolute += (mean - actual).abs();
            error += mean - actual;
            level += actual;
            if i >= half {
                let step = Ahead {
                    mean,
                    size: spread.size(grid.phase + trial.origin + h, mean),
                    curve: spread.curve(h),
                    factor: 1.0,
                };
                let [low95, low80, high80, high95] = scores.map(|score| step.at(score));
                tested += 1;
                inside80 += usize::from((low80..=high80).contains(&actual));
                inside95 += usize::from((low95..=high95).contains(&actual));
            }
        }
    }
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    Score {
        origins: fit.trials.len(),
        mase: share(absolute, count(n) * naive),
        bias: share(error, level),
        inside80: share(count(inside80), count(tested)),
        inside95: share(count(inside95), count(tested)),
    }
}

/// The older trials as a forecast at the first newer origin would have had them: nothing of what came after it, and
/// the newest of them counting in full. With today's weights they would look like a shorter past than there was, and
/// the intervals from them wider than any that were ever given.
fn as_known(trials: &[Trial], said: &[Vec<f64>], half: usize) -> (Vec<Trial>, Vec<Vec<f64>>) {
    let (Some(first), Some(last)) = (trials.get(half), trials[..half].last()) else {
        return (Vec::new(), Vec::new());
    };
    let older = trials[..half].iter().zip(said);
    older
        .map(|(trial, said)| {
            let heard = said[..said.len().min(first.origin - trial.origin)].to_vec();
            let age_d = trial.age_d - last.age_d;
            (Trial { age_d, rows: vec![heard.clone()], ..*trial }, heard)
        })
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_half_is_judged_as_it_stood_when_the_newer_half_began() {
        let trial = |origin, age_d| Trial {
            origin,
            age_d,
            declined: 1.0,
            rows: vec![vec![1.0; 100 - origin]],
        };
        let trials = [trial(10, 2.0), trial(22, 1.5), trial(34, 1.0), trial(46, 0.5)];
        let said: Vec<Vec<f64>> = trials.iter().map(|trial| trial.rows[0].clone()).collect();
        let (known, heard) = as_known(&trials, &said, 2);
        // the newest of the older half counts in full, the one before it is half a day older
        assert_eq!([known[0].age_d, known[1].age_d], [0.5, 0.0]);
        // origin 34 begins the newer half: 24 and 12 steps were known then
        assert_eq!([heard[0].len(), heard[1].len()], [24, 12]);
        assert_eq!(as_known(&trials[..1], &said[..1], 0).0.len(), 0);
    }
}
