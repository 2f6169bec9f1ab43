//! Built-in JARVIS: eight weeks of five-minute **synthetic** history, made from a seed.
//!
//! A small simulation rather than a drawing: people make load, an HPA follows it with a delay, and
//! latency, errors, CPU and Redis memory follow from load per ready pod. So the history holds what
//! real ones hold (growth, weekends, strong Fridays, a campaign, a roll-out, a gap, a day at the
//! HPA's maximum) and the rest of the program has to find it.

use jiff::civil::{Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::history::{Evidence, Observed, Samples, SeriesKey, Signal};

/// The seed of the built-in history.
pub const SEED: u64 = 1728;

/// The moment of the built-in review: Monday 23 November 2026, 10:00 in Tokyo.
pub const AT: &str = "2026-11-23T01:00:00Z";
/// Distance between samples, in seconds.
pub const STEP_S: i64 = 300;
/// Length of the built-in history, in days.
const DAYS: i64 = 56;
/// What one API pod sustains at a P99 of two seconds, in rps: the truth that `capacity` has to find.
const POD_CAPACITY_RPS: f64 = 11.4;
/// CPU that one request per second costs, in cores.
const CORES_PER_RPS: f64 = 0.05;
/// CPU request of an API pod, in cores.
const API_CPU_REQUEST: f64 = 0.6;
/// The HPA's target: 70 % of the request.
const HPA_TARGET: f64 = 0.7;
/// The HPA's range in force.
const HPA_RANGE: (f64, f64) = (3.0, 5.0);
/// Steps from more load to a pod that serves: the HPA, the scheduler, the image, warm caches; 15 minutes.
const START_UP_STEPS: usize = 3;
/// One mebibyte.
const MI: f64 = 1_048_576.0;
/// One gibibyte.
const GI: f64 = 1024.0 * MI;

/// The whole history of the built-in service up to `at`, the same for the same seed.
#[must_use]
pub fn observed(at: Timestamp, seed: u64) -> Observed {
    let world = World::simulate(at, seed);
    let mut observed = Observed::new();
    world.service_signals(&mut observed);
    world.api_signals(&mut observed);
    world.worker_signals(&mut observed);
    world.redis_signals(&mut observed);
    world.volume_signals(&mut observed);
    observed
}

/// The simulated state, one entry a step.
struct World {
    clock: Vec<Zoned>,
    load: Vec<f64>,
    ready: Vec<f64>,
    /// Load over what the ready pods sustain; 1 is a P99 of two seconds.
    strain: Vec<f64>,
    seed: u64,
}

/// Seeded noise.
struct Noise {
    rng: ChaCha8Rng,
    normal: Normal,
}

impl Noise {
    fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), normal: Normal::standard() }
    }

    /// A draw from the standard normal distribution, by inversion.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn draw(&mut self) -> f64 {
        let uniform = ((self.rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        self.normal.inverse_cdf(uniform)
    }
}

impl World {
    fn simulate(at: Timestamp, seed: u64) -> Self {
        let mut noise = Noise::new(seed);
        let clock = clock(at);
        let load = demand(&clock, &mut noise);
        let ready = autoscaled(&load);
        let strain =
            load.iter().zip(&ready).map(|(load, pods)| load / (pods * POD_CAPACITY_RPS)).collect();
        Self { clock, load, ready, strain, seed }
    }

    fn service_signals(&self, out: &mut Observed) {
        let mut noise = Noise::new(self.seed + 1);
        let p99 = self.strain.iter().zip(&self.clock).map(|(strain, now)| {
            let rollout = if is_rollout(now) { 0.6 } else { 0.0 };
            (0.28 + 0.25 * strain + 1.47 * strain.powi(6)) * (1.0 + 0.04 * noise.draw()) + rollout
        });
        let p99 = p99.collect();
        let errors = self.strain.iter().zip(&self.clock).map(|(strain, now)| {
            let rollout = if is_rollout(now) { 0.025 } else { 0.0 };
            0.0015 * (1.0 + 0.2 * noise.draw()).max(0.1) + 0.04 * (strain - 1.05).max(0.0) + rollout
        });
        let errors = errors.collect();
        self.put(out, SeriesKey::service(Signal::Load), self.load.clone());
        self.put(out, SeriesKey::service(Signal::ErrorRate), errors);
        self.put(out, SeriesKey::service(Signal::P99), p99);
        self.put(out, SeriesKey::service(Signal::Reporting), self.ready.clone());
    }

    fn api_signals(&self, out: &mut Observed) {
        let mut noise = Noise::new(self.seed + 2);
        let cpu: Vec<f64> = self
            .load
            .iter()
            .map(|load| (load * CORES_PER_RPS + 0.05) * (1.0 + 0.03 * noise.draw()))
            .collect();
        let busiest =
            cpu.iter().zip(&self.ready).map(|(cpu, pods)| (cpu / pods * 1.12).min(1.0)).collect();
        let memory = self
            .load
            .iter()
            .zip(&self.ready)
            .map(|(load, pods)| (236.0 + 4.0 * load / pods + 2.0 * noise.draw()) * MI);
        let memory = memory.collect();
        self.put(out, SeriesKey::of("api", Signal::Replicas), self.ready.clone());
        self.put(out, SeriesKey::of("api", Signal::SpecReplicas), self.ready.clone());
        self.flat(out, SeriesKey::of("api", Signal::HpaMin), HPA_RANGE.0);
        self.flat(out, SeriesKey::of("api", Signal::HpaMax), HPA_RANGE.1);
        self.flat(out, SeriesKey::of("api", Signal::HpaTarget), HPA_TARGET * 100.0);
        self.put(out, SeriesKey::of("api", Signal::Cpu), cpu);
        self.put(out, SeriesKey::of("api", Signal::CpuMax), busiest);
        self.put(out, SeriesKey::of("api", Signal::Memory), memory);
        self.flat(out, SeriesKey::of("api", Signal::CpuRequest), API_CPU_REQUEST);
        self.flat(out, SeriesKey::of("api", Signal::CpuLimit), 1.0);
        self.flat(out, SeriesKey::of("api", Signal::MemoryRequest), 384.0 * MI);
        self.flat(out, SeriesKey::of("api", Signal::MemoryLimit), 512.0 * MI);
        self.flat(out, SeriesKey::of("api", Signal::Throttled), 0.0);
        self.flat(out, SeriesKey::of("api", Signal::OomKills), 0.0);
    }

    /// The worker's pods are not scraped: kube-state-metrics knows their number, nobody their usage.
    fn worker_signals(&self, out: &mut Observed) {
        let before = date(2026, 11, 17).at(14, 20, 0, 0);
        let replicas = self.clock.iter().map(|now| if now.datetime() < before { 2.0 } else { 3.0 });
        let replicas: Vec<f64> = replicas.collect();
        self.put(out, SeriesKey::of("worker", Signal::Replicas), replicas.clone());
        self.put(out, SeriesKey::of("worker", Signal::SpecReplicas), replicas);
        let unscraped = [Signal::Cpu, Signal::CpuMax, Signal::Memory, Signal::CpuRequest];
        let none = [Signal::HpaMin, Signal::HpaMax, Signal::HpaTarget, Signal::CpuLimit];
        for missing in unscraped.into_iter().chain(none) {
            out.insert(SeriesKey::of("worker", missing), Evidence::NoSeries);
        }
    }

    fn redis_signals(&self, out: &mut Observed) {
        let mut noise = Noise::new(self.seed + 3);
        let mut cached = self.load[0];
        // a cache of about six hours of load: 72 steps
        let used = self.load.iter().map(|load| {
            cached += (load - cached) * if *load > cached { 1.0 / 8.0 } else { 1.0 / 72.0 };
            (96.0 + 4.9 * cached + noise.draw()) * MI
        });
        let used = used.collect();
        let start = self.clock[0].timestamp() + (14 * 24).hours();
        let gap = (start, start + 75.hours());
        self.put_except(out, SeriesKey::of("redis", Signal::RedisUsed), used, gap);
        self.flat(out, SeriesKey::of("redis", Signal::RedisMax), 384.0 * MI);
        self.flat(out, SeriesKey::of("redis", Signal::RedisEvictions), 0.0);
        self.flat(out, SeriesKey::of("redis", Signal::MemoryLimit), 512.0 * MI);
        self.flat(out, SeriesKey::of("redis", Signal::OomKills), 0.0);
        self.flat(out, SeriesKey::of("redis", Signal::Replicas), 1.0);
    }

    #[expect(clippy::cast_precision_loss, reason = "some thousand steps")]
    fn volume_signals(&self, out: &mut Observed) {
        let mut noise = Noise::new(self.seed + 4);
        let last = (self.clock.len() - 1) as f64;
        let days = |i: usize| (i as f64 - last) / 288.0;
        // PostgreSQL grows by 0.17 GiB a day; a weekly vacuum gives back what the week had bloated
        let used = (0..self.clock.len())
            .map(|i| {
                (33.6
                    + 0.17 * days(i)
                    + 0.08 * (days(i) + 70.0).rem_euclid(7.0)
                    + 0.01 * noise.draw())
                    * GI
            })
            .collect();
        let postgres = "data-jarvis-postgresql-0";
        self.put(out, SeriesKey::of(postgres, Signal::VolumeUsed), used);
        self.flat(out, SeriesKey::of(postgres, Signal::VolumeCapacity), 50.0 * GI);
        // Qdrant was moved to a new volume nine days ago
        let qdrant = "qdrant-storage-jarvis-qdrant-0";
        let born = self.clock.len() - 9 * 288;
        let used = (0..self.clock.len())
            .map(|i| if i < born { f64::NAN } else { (6.1 + 0.21 * days(i)) * GI })
            .collect();
        self.put(out, SeriesKey::of(qdrant, Signal::VolumeUsed), used);
        let size =
            (0..self.clock.len()).map(|i| if i < born { f64::NAN } else { 20.0 * GI }).collect();
        self.put(out, SeriesKey::of(qdrant, Signal::VolumeCapacity), size);
    }

    fn flat(&self, out: &mut Observed, key: SeriesKey, value: f64) {
        self.put(out, key, vec![value; self.clock.len()]);
    }

    fn put(&self, out: &mut Observed, key: SeriesKey, values: Vec<f64>) {
        self.put_except(out, key, values, (Timestamp::MAX, Timestamp::MAX));
    }

    /// Stores what a source would give: no sample in the gaps, none where the value is NaN.
    fn put_except(
        &self,
        out: &mut Observed,
        key: SeriesKey,
        values: Vec<f64>,
        gap: (Timestamp, Timestamp),
    ) {
        let seen = |now: &Zoned| !is_outage(now) && !(gap.0..gap.1).contains(&now.timestamp());
        let (at, value) = self
            .clock
            .iter()
            .zip(values)
            .filter(|(now, value)| value.is_finite() && seen(now))
            .map(|(now, value)| (now.timestamp().as_second(), value))
            .unzip();
        out.insert(key, Evidence::Series(Samples { at, value }));
    }
}

/// Local time of every step, oldest first; the last one is `at`.
fn clock(at: Timestamp) -> Vec<Zoned> {
    // Tokyo has had no daylight saving since 1951: a fixed offset is the zone
    let tokyo = TimeZone::fixed(jiff::tz::offset(9));
    let steps = DAYS * 86_400 / STEP_S;
    (0..=steps).map(|i| (at - ((steps - i) * STEP_S).seconds()).to_zoned(tokyo.clone())).collect()
}

/// Requests per second at every step: growth times the hour, the weekday, the campaign, and noise.
#[expect(clippy::cast_precision_loss, reason = "some thousand steps")]
fn demand(clock: &[Zoned], noise: &mut Noise) -> Vec<f64> {
    let last = clock.len() as f64;
    let mut drift = 0.0;
    let step = |(i, now): (usize, &Zoned)| {
        // slow wander of about two hours (24 steps) with a standing deviation of 2.5 %
        drift = 0.96 * drift + 0.007 * noise.draw();
        let days_ago = (last - i as f64) / 288.0;
        let growth = (-0.0105 * days_ago).exp();
        38.5 * growth
            * weekday(now)
            * hour_shape(now)
            * campaign(now)
            * (1.0 + drift + 0.015 * noise.draw())
    };
    clock.iter().enumerate().map(step).collect()
}

fn weekday(now: &Zoned) -> f64 {
    match now.weekday() {
        Weekday::Friday => 1.17,
        Weekday::Thursday => 1.04,
        Weekday::Monday => 0.97,
        Weekday::Saturday | Weekday::Sunday => 0.36,
        Weekday::Tuesday | Weekday::Wednesday => 1.0,
    }
}

/// The share of the day's peak at this time of day: night, two working humps, a quiet evening. People
/// arrive all at once in the morning (the twelfth power makes steep edges), and leave when they like.
fn hour_shape(now: &Zoned) -> f64 {
    let hour = f64::from(now.hour()) + f64::from(now.minute()) / 60.0;
    let hump = |centre: f64, width: f64, power: i32, height: f64| {
        height * (-((hour - centre) / width).powi(power)).exp()
    };
    0.13 + hump(10.6, 1.7, 12, 0.80) + hump(15.0, 2.3, 4, 0.87) + hump(20.5, 1.8, 4, 0.16)
}

fn campaign(now: &Zoned) -> f64 {
    let days = date(2026, 11, 4)..date(2026, 11, 6);
    if days.contains(&now.date()) { 1.45 } else { 1.0 }
}

/// A roll-out on Tuesday 17 November, 14:00 to 14:20.
fn is_rollout(now: &Zoned) -> bool {
    let start = date(2026, 11, 17).at(14, 0, 0, 0);
    (start..start + 20.minutes()).contains(&now.datetime())
}

/// Prometheus itself was away on Tuesday 10 November, 13:10 to 19:40.
fn is_outage(now: &Zoned) -> bool {
    let day = date(2026, 11, 10);
    (day.at(13, 10, 0, 0)..day.at(19, 40, 0, 0)).contains(&now.datetime())
}

/// Ready pods under an HPA on CPU: up at once (then the start-up time), down after five minutes' peace.
fn autoscaled(load: &[f64]) -> Vec<f64> {
    let wanted: Vec<f64> = load
        .iter()
        .map(|load| {
            (load * CORES_PER_RPS / (API_CPU_REQUEST * HPA_TARGET))
                .ceil()
                .clamp(HPA_RANGE.0, HPA_RANGE.1)
        })
        .collect();
    let ready = |i: usize| {
        let newest = i.saturating_sub(START_UP_STEPS);
        // what was wanted before the pods started is there; what is wanted less for a step is still there
        wanted[newest].max(wanted[newest..=i].iter().copied().fold(f64::INFINITY, f64::min))
    };
    (0..load.len()).map(ready).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn series(signal: Signal) -> Samples {
        match observed(AT.parse().unwrap(), SEED).remove(&SeriesKey::service(signal)) {
            Some(Evidence::Series(samples)) => samples,
            other => panic!("{signal:?}: {other:?}"),
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_history() {
        let at = AT.parse().unwrap();
        assert_eq!(observed(at, 7), observed(at, 7));
        assert_ne!(observed(at, 7), observed(at, 8));
    }

    #[test]
    fn it_spans_eight_weeks_less_the_outage() {
        let load = series(Signal::Load);
        // 56 days of 288 steps and the last one, less 6.5 h of 12 steps
        assert_eq!(load.at.len(), 56 * 288 + 1 - 78);
    }

    #[test]
    fn the_last_week_peaks_under_the_high_row_and_holds_the_hpa_at_its_maximum() {
        let load = series(Signal::Load);
        let peak = load.value[load.value.len() - 7 * 288..].iter().copied().fold(0.0, f64::max);
        assert!((42.0..50.0).contains(&peak), "{peak}");
    }
}
