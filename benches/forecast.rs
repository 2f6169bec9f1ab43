//! Seconds per 1,000 forecasts of eight weeks of hours over seven days, on one thread, beside those of augurs (MSTL with
//! `AutoETS`) in the same run, and how cost grows with the length and the number of series.
//!
//! `cargo bench --bench forecast` prints the time of one forecast; a millisecond each is a second per 1,000. The last
//! line of `beside augurs` is the ratio. Lengths and numbers span two decades: time per point or per series (`thrpt`)
//! staying level is linear cost.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use augurs::ets::AutoETS;
use augurs::mstl::MSTLModel;
use augurs::prelude::*;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use plimsoll::forecast::{Forecast, forecast};
use plimsoll::history::History;
use plimsoll::service::Calendar;
use plimsoll::units::Period;

/// Days and weeks with noise from a fixed recurrence.
fn load(step_s: i64, n: usize) -> History {
    let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    let mut noise = 1u64;
    let values = (0..n).map(|i| {
        noise =
            noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let hour = i as f64 * step_s as f64 / 3_600.0;
        let week = if (hour / 24.0) as usize % 7 >= 5 { 0.6 } else { 1.0 };
        week * (100.0 - 50.0 * (std::f64::consts::TAU * hour / 24.0).cos())
            + (noise >> 40) as f64 / 1e6
    });
    History {
        start,
        step: Period(step_s),
        values: values.collect(),
        marks: Vec::new(),
        newest: start,
    }
}

fn forecasts(c: &mut Criterion) {
    let calendar = Calendar { zone: TimeZone::UTC, events: Vec::new() };
    let eight_weeks = load(3_600, 8 * 168);
    for (name, steps) in [
        ("8 weeks hourly, 24 h ahead", 24),
        ("8 weeks hourly, 7 d ahead", 168),
        ("8 weeks hourly, 28 d ahead", 672),
    ] {
        c.bench_function(name, |b| {
            b.iter(|| forecast(black_box(&eight_weeks), &calendar, steps, 1).unwrap());
        });
    }
    let mut growing = c.benchmark_group("a day ahead, by points of history");
    growing.sample_size(10);
    for (step_s, days) in [(3_600, 35), (3_600, 56), (300, 28), (300, 56), (60, 28), (60, 56)] {
        let n = usize::try_from(days * 86_400 / step_s).unwrap();
        let history = load(step_s, n);
        let steps = usize::try_from(86_400 / step_s).unwrap();
        growing.throughput(Throughput::Elements(n as u64));
        growing.bench_with_input(BenchmarkId::from_parameter(n), &history, |b, history| {
            b.iter(|| forecast(black_box(history), &calendar, steps, 1).unwrap());
        });
    }
    growing.finish();
    let mut many = c.benchmark_group("a week ahead, by number of series");
    many.sample_size(10);
    for n in [1_u64, 10, 100] {
        many.throughput(Throughput::Elements(n));
        many.bench_with_input(BenchmarkId::from_parameter(n), &n, |b, &n| {
            b.iter(|| (0..n).for_each(|_| drop(ours(&eight_weeks, &calendar))));
        });
    }
    many.finish();
}

fn ours(load: &History, calendar: &Calendar) -> Forecast {
    forecast(black_box(load), calendar, 168, 1).unwrap()
}

/// The same eight weeks and the same week ahead by augurs: decomposition by day and week, an ETS found by search for
/// the trend, and the 95 % interval.
fn theirs(load: &History) -> augurs::Forecast {
    MSTLModel::new(vec![24, 168], AutoETS::non_seasonal().into_trend_model())
        .fit(black_box(&load.values))
        .unwrap()
        .predict(168, 0.95)
        .unwrap()
}

fn beside_augurs(c: &mut Criterion) {
    let calendar = Calendar { zone: TimeZone::UTC, events: Vec::new() };
    let eight_weeks = load(3_600, 8 * 168);
    let mut group = c.benchmark_group("beside augurs");
    group.sample_size(20);
    group.bench_function("ours", |b| b.iter(|| ours(&eight_weeks, &calendar)));
    group.bench_function("augurs MSTL + AutoETS", |b| b.iter(|| theirs(&eight_weeks)));
    group.finish();
    // turn by turn, so that both meet the same machine
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        our_times.push(timed(|| drop(ours(&eight_weeks, &calendar))));
        their_times.push(timed(|| drop(theirs(&eight_weeks))));
    }
    let (our, their) = (middle(our_times), middle(their_times));
    println!(
        "beside augurs: ours {:.2} s, augurs {:.2} s per 1,000 fits; augurs takes {:.1} times as long",
        1_000.0 * our,
        1_000.0 * their,
        their / our
    );
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The median, in seconds.
fn middle(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

criterion_group!(benches, forecasts, beside_augurs);
criterion_main!(benches);
