//! The store: what an append costs with little and with much history before it, and what a scan costs.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, missing_docs)]

use std::time::{Duration, Instant};

use plimsoll::history::{Samples, SeriesKey, Signal};
use plimsoll::store::{Answer, Store};

const STEP: i64 = 300;
/// 2025-06-15T00:00:00Z
const NOW: i64 = 1_749_945_600;
const DAY: i64 = 86_400;

fn main() {
    // one month, and twenty; rounds alternate, so that a busy disk is busy for both
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let stores = [filled(&folders[0], 30), filled(&folders[1], 600)];
    let rounds: Vec<_> =
        (0..30).map(|hour| stores.each_ref().map(|store| append(store, hour))).collect();
    let [small, large] = [0, 1].map(|which| rounds.iter().map(|round| round[which]).min().unwrap());
    println!("append: an hour after 30 days {small:?}, after 600 days {large:?}");
    println!(
        "ratio append 20x/1x {:.2} (1 is no dependence on what is there)",
        large.as_secs_f64() / small.as_secs_f64()
    );
    scan();
}

fn samples(from: i64, to: i64) -> Samples {
    let at: Vec<i64> = (from..=to).step_by(STEP.unsigned_abs() as usize).collect();
    let value = at.iter().map(|at| (*at as f64).sin()).collect();
    Samples { at, value }
}

fn filled(folder: &tempfile::TempDir, days: i64) -> Store {
    let store = Store::open(folder.path()).unwrap();
    put(&store, &samples(NOW - days * DAY, NOW));
    store
}

fn put(store: &Store, samples: &Samples) {
    let key = SeriesKey::service(Signal::Load);
    let writer = store.writer().unwrap();
    let mut manifest = writer.begin("shop", &key, "q", STEP).unwrap();
    let settled = (samples.at[0], samples.at[samples.at.len() - 1]);
    writer.append("shop", &key, &mut manifest, Answer { samples, series: true, settled }).unwrap();
}

/// How long it takes to append the hour that comes `hour` hours after the first history.
fn append(store: &Store, hour: i64) -> Duration {
    let from = NOW + STEP + hour * 3_600;
    let new = samples(from, from + 3_300);
    let started = Instant::now();
    put(store, &new);
    started.elapsed()
}

fn scan() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(&folder, 600);
    let key = SeriesKey::service(Signal::Load);
    let time = |days: i64| {
        let one = |_| {
            let started = Instant::now();
            store.scan("shop", &key, NOW - days * DAY, NOW).unwrap();
            started.elapsed()
        };
        (0..20).map(one).min().unwrap()
    };
    let (eight_weeks, everything) = (time(56), time(600));
    println!("scan: 8 weeks {eight_weeks:?}, 600 days {everything:?}");
    println!(
        "ratio scan 8 weeks/600 days {:.2} (56/600 is 0.09)",
        eight_weeks.as_secs_f64() / everything.as_secs_f64()
    );
}
