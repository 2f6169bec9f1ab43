//! The whole demo pipeline, stage by stage, as shares of the whole; and the forecast's share of an assessment.
//!
//! `cargo bench --bench demo` prints ratios: times on this machine are noise, shares of one run are not.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use plimsoll::history::{self, Window};
use plimsoll::render::report::{self, Page, Reviewed};
use plimsoll::source::demo;
use plimsoll::{assess, capacity, config};

/// Runs of each stage; the fastest counts.
const RUNS: usize = 5;

fn fastest(mut stage: impl FnMut()) -> Duration {
    let once = || {
        let start = Instant::now();
        stage();
        start.elapsed()
    };
    std::iter::repeat_with(once).take(RUNS).min().unwrap()
}

fn main() {
    let at = demo::AT.parse().unwrap();
    let settings =
        config::parse(include_str!("../data/plimsoll.yaml"), "plimsoll.yaml", Path::new("."))
            .unwrap();
    let service = &settings.services[0];
    let window = Window { at, lookback: settings.history.lookback, step: settings.history.step };
    let observed = demo::observed(at, demo::SEED);
    let cleaned = history::clean(&observed, service, &settings.calendar, &window);
    let assessed = || {
        assess(service, &settings.calendar, &settings.policy, &window, &observed, &BTreeMap::new())
    };
    let assessment = assessed();
    let plan = plimsoll::plan(at, &settings.hash, std::slice::from_ref(&assessment));
    let page = Page {
        services: vec![Reviewed {
            assessment: &assessment,
            overlay: String::new(),
            policies: plimsoll::past::candidates(&assessment),
        }],
        plan: &plan,
        history: String::new(),
        samples: 0,
        queries: None,
        command: String::new(),
        synthetic: true,
    };
    let stages = [
        ("make the history", fastest(|| drop(black_box(demo::observed(at, demo::SEED))))),
        (
            "clean",
            fastest(|| {
                drop(black_box(history::clean(&observed, service, &settings.calendar, &window)));
            }),
        ),
        ("measure capacity", fastest(|| drop(black_box(capacity::measure(service, &cleaned))))),
        (
            "assess (all of the above but the first, six forecasts, advice)",
            fastest(|| drop(black_box(assessed()))),
        ),
        ("render the page", fastest(|| drop(black_box(report::html(&page))))),
    ];
    let whole = stages[0].1 + stages[3].1 + stages[4].1;
    println!("demo: {:.0} ms for history, assessment and page", whole.as_secs_f64() * 1000.0);
    for (name, time) in stages {
        println!("ratio {:5.3} of the whole: {name}", time.as_secs_f64() / whole.as_secs_f64());
    }
}
