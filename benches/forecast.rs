//! Seconds per 1,000 forecasts of eight weeks of hours over seven days, on one thread, and how cost grows with
//! the length of the series.
//!
//! `cargo bench --bench forecast` prints the time of one forecast; a millisecond each is a second per 1,000.
//! The lengths span two decades at five and one minutes: time per point (`thrpt`) staying level is linear cost.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use plimsoll::forecast::forecast;
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
}

criterion_group!(benches, forecasts);
criterion_main!(benches);
