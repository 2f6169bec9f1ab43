//! What one replica sustains inside the objectives, and whether the table is still true.
//!
//! Load per replica is set against P99 over every plain step of the history. P99 is taken to rise with
//! load per replica, and nothing else: the fit is an isotonic regression (pool adjacent violators;
//! Barlow, Bartholomew, Bremner & Brunk 1972, ch. 1) of log P99, and the capacity is the highest load
//! per replica whose fitted P99 still meets the objective. Its interval is the percentile bootstrap over
//! whole days (Efron & Tibshirani 1993, ch. 13), because steps of one day are not independent.
//!
//! Where the fit never reaches the objective the service was never seen at its limit: what is known then
//! is only that it sustained the highest load seen, and `saturated` is false.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::history::{Evidence, History, Mark, MarkKind, SeriesKey, Signal};
use crate::service::{Component, Service};
use crate::tiers::{Size, TierTable};

/// Steps that a measurement needs: two days of five minutes.
const STEPS_MIN: usize = 576;
/// Resamples for the interval; 200 give its ends to about a tenth of its width.
const RESAMPLES: usize = 200;
/// Steps past the objective from which on it counts as reached: fewer are an accident.
const BEYOND_MIN: usize = 3;
/// Spans of a profile: as many as a picture of 400 pixels can tell apart.
const BINS: u32 = 32;
/// Seed of the bootstrap; any would do, one keeps the bytes the same.
const SEED: u64 = 1876;

/// Load that one replica of a component sustains inside the objectives, as it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// The estimate, in rps per replica.
    pub per_replica: f64,
    /// Lower end of its 95 % interval, in rps per replica.
    pub low: f64,
    /// Upper end of its 95 % interval, in rps per replica.
    pub high: f64,
    /// How many steps it rests on.
    pub steps: usize,
    /// Whether the objective was ever reached; if not, the true capacity may be higher.
    pub saturated: bool,
}

/// One row of the table against the measurement, for one component.
#[derive(Debug, Clone, PartialEq)]
pub struct RowVerdict {
    /// The row's name.
    pub tier: String,
    /// The most replicas it gives.
    pub replicas: u32,
    /// The load at its top, in rps; `None` for the open last row.
    pub promised: Option<f64>,
    /// What its replicas sustain by the measurement, in rps.
    pub sustained: f64,
}

/// P99 over a narrow span of load per replica: what a picture of the measurement shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Middle of the span, in rps per replica.
    pub per_replica: f64,
    /// Its 5 %, 50 % and 95 % quantiles of P99, in seconds.
    pub p99: [f64; 3],
    /// The fit there, in seconds.
    pub fit: f64,
}

/// Why a component has no measured capacity.
#[derive(Debug, Clone, PartialEq)]
pub enum Unmeasured {
    /// A series that it takes is not there.
    NoSeries(SeriesKey),
    /// Too few steps have load, replicas and P99 together.
    FewSteps {
        /// Steps that have.
        have: usize,
        /// Steps that are needed.
        need: usize,
    },
    /// P99 was over the objective at every load: no load is known to be sustained.
    Missed,
}

/// One plain step: load per replica, and the logarithm of P99.
#[derive(Debug, Clone, Copy)]
struct Point {
    day: i64,
    per_replica: f64,
    log_p99: f64,
}

/// The capacity of every component whose replicas serve the load and whose count was seen.
#[must_use]
pub fn measure(
    service: &Service,
    histories: &BTreeMap<SeriesKey, Evidence<History>>,
) -> BTreeMap<String, Capacity> {
    let replicated = service.components.iter().filter(|component| !component.memory);
    let measured = replicated
        .filter_map(|component| Some((component.name.clone(), of(component, service, histories)?)));
    measured.collect()
}

/// Why `component` has no measured capacity; `None` where it has one.
#[must_use]
pub fn unmeasured(
    component: &Component,
    service: &Service,
    histories: &BTreeMap<SeriesKey, Evidence<History>>,
) -> Option<Unmeasured> {
    match measured(component, histories) {
        Err(why) => Some(why),
        Ok(_) => of(component, service, histories).is_none().then_some(Unmeasured::Missed),
    }
}

/// The rows of the table against a measured capacity, for one component.
#[must_use]
pub fn verdicts(table: &TierTable, component: &str, capacity: &Capacity) -> Vec<RowVerdict> {
    let verdict = |row: &crate::tiers::Tier| match row.size(component) {
        Some(Size::Replicas { max, .. }) => Some(RowVerdict {
            tier: row.name.clone(),
            replicas: max,
            promised: row.below,
            sustained: f64::from(max) * capacity.per_replica,
        }),
        _ => None,
    };
    table.rows.iter().filter_map(verdict).collect()
}

/// P99 against load per replica of one component, in spans of equal width; empty where it cannot be measured.
#[must_use]
pub fn profile(
    component: &Component,
    histories: &BTreeMap<SeriesKey, Evidence<History>>,
) -> Vec<Bin> {
    let points = measured(component, histories).unwrap_or_default();
    let blocks = fit(points.iter().map(|point| (point, 1)));
    let highest = points.last().map_or(0.0, |point| point.per_replica);
    let mut rest = points.as_slice();
    let mut bins = Vec::new();
    for number in 1..=BINS {
        let width = highest / f64::from(BINS);
        let (to, middle) = (width * f64::from(number), width * (f64::from(number) - 0.5));
        let (inside, after) = rest.split_at(rest.partition_point(|p| p.per_replica <= to));
        rest = after;
        let mut p99: Vec<f64> = inside.iter().map(|point| point.log_p99.exp()).collect();
        if p99.len() < BEYOND_MIN {
            continue;
        }
        p99.sort_by(f64::total_cmp);
        let at = |percent: usize| p99[(p99.len() - 1) * percent / 100];
        let block = blocks.partition_point(|block| block.2 < middle).min(blocks.len() - 1);
        let fit = mean(&blocks[block]).exp();
        bins.push(Bin { per_replica: middle, p99: [at(5), at(50), at(95)], fit });
    }
    bins
}

fn of(
    component: &Component,
    service: &Service,
    histories: &BTreeMap<SeriesKey, Evidence<History>>,
) -> Option<Capacity> {
    let points = measured(component, histories).ok()?;
    let objective = service.objectives.p99_s.ln();
    let (per_replica, saturated) = limit(points.iter().map(|point| (point, 1)), objective)?;
    let (low, high) = interval(&points, objective, per_replica);
    Some(Capacity { per_replica, low, high, steps: points.len(), saturated })
}

/// The plain steps of a component by rising load per replica; an error where they are too few, or where it
/// is not known to serve the load.
fn measured(
    component: &Component,
    histories: &BTreeMap<SeriesKey, Evidence<History>>,
) -> Result<Vec<Point>, Unmeasured> {
    let series = |key: SeriesKey| match histories.get(&key) {
        Some(Evidence::Series(history)) => Ok(history),
        _ => Err(Unmeasured::NoSeries(key)),
    };
    let name = &component.name;
    // only a component whose own CPU was seen is known to serve the load: a worker's count says nothing of P99
    series(SeriesKey::of(name, Signal::Cpu))?;
    let replicas = series(SeriesKey::of(name, Signal::Replicas))?;
    let load = series(SeriesKey::service(Signal::Load))?;
    let p99 = series(SeriesKey::service(Signal::P99))?;
    let mut points = points(load, replicas, p99);
    if points.len() < STEPS_MIN {
        return Err(Unmeasured::FewSteps { have: points.len(), need: STEPS_MIN });
    }
    points.sort_by(|a, b| a.per_replica.total_cmp(&b.per_replica).then(a.day.cmp(&b.day)));
    Ok(points)
}

/// The steps at which load, replicas and P99 are all known and nothing out of the ordinary went on.
fn points(load: &History, replicas: &History, p99: &History) -> Vec<Point> {
    let masked: Vec<&Mark> =
        load.marks.iter().filter(|mark| mark.kind == MarkKind::Masked).collect();
    let point = |i: usize| {
        let at = load.time(i);
        let same_step = |other: &History| {
            other.values.get(other.span(other.start, at).end).copied().filter(|_| other.start <= at)
        };
        let (load, pods, p99) = (load.values[i], same_step(replicas)?, same_step(p99)?);
        // what happens without a request says nothing of what a pod sustains
        let plain = load > 0.0 && pods >= 1.0 && p99 > 0.0 && p99.is_finite();
        let masked = masked.iter().any(|mark| mark.from <= at && at < mark.to);
        (plain && !masked).then(|| Point {
            day: at.as_second().div_euclid(86_400),
            per_replica: load / pods,
            log_p99: p99.ln(),
        })
    };
    (0..load.values.len()).filter_map(point).collect()
}

/// The highest load per replica whose fitted log P99 is at most `objective`, and whether the fit
/// passes the objective at all. Points come in rising order with their multiplicity; `None` where
/// the objective is missed at every load: no load per replica is known to be sustained then.
fn limit<'a>(
    points: impl Iterator<Item = (&'a Point, usize)>,
    objective: f64,
) -> Option<(f64, bool)> {
    let blocks = fit(points);
    let sustained = blocks.partition_point(|block| mean(block) <= objective);
    let beyond: usize = blocks[sustained..].iter().map(|block| block.1).sum();
    let limit = blocks.get(sustained.checked_sub(1)?)?.2;
    Some((limit, beyond >= BEYOND_MIN))
}

/// Sum of log P99, steps, and highest load per replica of a stretch of the fit.
type Block = (f64, usize, f64);

/// The isotonic regression by pooling adjacent violators: blocks of rising mean. Points as for [`limit`].
fn fit<'a>(points: impl Iterator<Item = (&'a Point, usize)>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for (point, times) in points.filter(|(_, times)| *times > 0) {
        #[expect(clippy::cast_precision_loss, reason = "multiplicities are small")]
        let mut block = (point.log_p99 * times as f64, times, point.per_replica);
        while let Some(last) = blocks.pop_if(|last| mean(last) >= mean(&block)) {
            block = (last.0 + block.0, last.1 + block.1, block.2);
        }
        blocks.push(block);
    }
    blocks
}

#[expect(clippy::cast_precision_loss, reason = "counts of steps")]
fn mean(block: &Block) -> f64 {
    block.0 / block.1 as f64
}

/// The 95 % percentile interval over resampled days, widened to hold the estimate.
fn interval(points: &[Point], objective: f64, estimate: f64) -> (f64, f64) {
    let mut days: Vec<i64> = points.iter().map(|point| point.day).collect();
    days.sort_unstable();
    days.dedup();
    let place: Vec<usize> =
        points.iter().map(|point| days.binary_search(&point.day).unwrap_or_default()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut limits: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let mut drawn = vec![0usize; days.len()];
            (0..days.len()).for_each(|_| drawn[below(&mut rng, days.len())] += 1);
            let times = place.iter().map(|day| drawn[*day]);
            limit(points.iter().zip(times), objective).map(|(limit, _)| limit)
        })
        .collect();
    limits.sort_by(f64::total_cmp);
    let at =
        |permille: usize| limits.get(limits.len() * permille / 1000).copied().unwrap_or(estimate);
    (at(25).min(estimate), at(975).max(estimate))
}

/// A uniform draw from `0..n`.
#[expect(clippy::cast_possible_truncation, reason = "the high 64 bits of the product are below n")]
fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(loads: impl Iterator<Item = f64>, p99: impl Fn(f64) -> f64) -> Vec<Point> {
        loads
            .map(|per_replica| Point { day: 0, per_replica, log_p99: p99(per_replica).ln() })
            .collect()
    }

    fn limit_of(points: &[Point], objective_s: f64) -> Option<(f64, bool)> {
        limit(points.iter().map(|point| (point, 1)), objective_s.ln())
    }

    #[test]
    fn the_limit_is_the_last_load_whose_p99_meets_the_objective() {
        // P99 is a tenth of the load per replica: 2 s at 20
        let points = line((1..400).map(|i| f64::from(i) * 0.1), |x| x / 10.0);
        let (limit, saturated) = limit_of(&points, 2.0).unwrap();
        assert!(saturated);
        assert!((limit - 20.0).abs() < 0.11, "{limit}");
    }

    #[test]
    fn a_service_never_at_its_limit_is_not_said_to_have_one() {
        let points = line((1..100).map(|i| f64::from(i) * 0.1), |x| x / 10.0);
        let (limit, saturated) = limit_of(&points, 2.0).unwrap();
        assert!(!saturated);
        assert!((limit - 9.9).abs() < 1e-9);
    }

    #[test]
    fn one_bad_step_at_low_load_does_not_make_the_limit() {
        let mut points = line((1..400).map(|i| f64::from(i) * 0.1), |x| x / 10.0);
        points[5].log_p99 = 10f64.ln();
        let (limit, _) = limit_of(&points, 2.0).unwrap();
        assert!((limit - 20.0).abs() < 0.11, "{limit}");
    }

    #[test]
    fn where_the_objective_is_missed_at_every_load_nothing_is_sustained() {
        assert_eq!(limit_of(&line((1..9).map(f64::from), |_| 3.0), 2.0), None);
    }
}
