//! The built-in history, written as the counters and gauges it would have been, loaded into a real Prometheus, and
//! pulled back: the same samples, and the same advice.
#![allow(
    clippy::float_cmp,
    clippy::needless_pass_by_value,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    missing_docs
)]

#[path = "support/fake.rs"]
mod fake;
#[path = "support/jarvis.rs"]
mod jarvis;
#[path = "support/real.rs"]
mod real;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use plimsoll::Assessment;
use plimsoll::commands::{Talk, check, pull};
use plimsoll::config::{self, Settings};
use plimsoll::history::{Evidence, Observed, Signal, Window};
use plimsoll::source::demo;

use real::{Prometheus, available};

/// The demo's moment, or now where that is still to come: nothing is pulled from the future.
fn moment() -> Timestamp {
    let now = Timestamp::now().as_second().div_euclid(demo::STEP_S) * demo::STEP_S;
    demo::AT.parse::<Timestamp>().unwrap().min(Timestamp::from_second(now).unwrap())
}

fn settings(url: &str, store: &Path) -> Settings {
    let text = include_str!("../data/plimsoll.yaml");
    let mut settings = config::parse(text, "plimsoll.yaml", Path::new(".")).unwrap();
    let prometheus = settings.history.prometheus.as_mut().unwrap();
    prometheus.url = url.to_owned();
    prometheus.bearer_token_file = None;
    prometheus.headers.clear();
    settings.history.store = store.to_owned();
    settings
}

fn assessed(settings: &Settings, at: Timestamp, observed: &Observed) -> Assessment {
    let window = Window { at, lookback: settings.history.lookback, step: settings.history.step };
    plimsoll::assess(
        &settings.services[0],
        &settings.calendar,
        &settings.policy,
        &window,
        observed,
        &BTreeMap::new(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_through_a_real_prometheus_gives_the_demos_own_advice() {
    if !available("the_demo_through_a_real_prometheus_gives_the_demos_own_advice") {
        return;
    }
    let at = moment();
    let own = demo::observed(at, demo::SEED);
    let prometheus = Prometheus::with(&jarvis::metrics(&own));
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&prometheus.url, folder.path());

    let past = pull::gather(&settings, at, false, Talk::silent()).await.unwrap();
    assert_eq!(past.pull.as_ref().unwrap().failures, []);
    let pulled = past.of(&settings.services[0]).unwrap();
    same_samples(&own, &pulled);
    same_advice(&assessed(&settings, at, &own), &assessed(&settings, at, &pulled));

    let mut text = Vec::new();
    check::run(&settings, at, (false, None), &mut text).await.unwrap();
    // without its line breaks
    let text = String::from_utf8(text).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in [
        "load by preset `http_requests_total`, status in `code`, scraped every 1m",
        "`container_cpu_usage_seconds_total` has no series with",
        " worker.cpu, worker.cpuMax",
        "a pull now asks for",
    ] {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
}

/// Every series of the demo came back: as many samples but for one at each edge of a gap, and the same values.
fn same_samples(own: &Observed, pulled: &Observed) {
    // the metrics made here come from one target: those of several are read in `presets`
    let compared = own.iter().filter(|(key, _)| key.signal != Signal::Reporting);
    for (key, evidence) in compared {
        let (Evidence::Series(own), found) = (evidence, &pulled[key]) else {
            assert_eq!(pulled[key], Evidence::NoSeries, "{key}");
            continue;
        };
        let Evidence::Series(found) = found else { panic!("{key}: {found:?}") };
        assert!(
            own.at.len().abs_diff(found.at.len()) <= 2,
            "{key}: {} and {}",
            own.at.len(),
            found.at.len()
        );
        let by_time: BTreeMap<i64, f64> =
            found.at.iter().copied().zip(found.value.iter().copied()).collect();
        // a rate at the edge of a gap is extrapolated; everything else comes back to a millionth
        let wrong = own.at.iter().zip(&own.value).filter(|(at, value)| {
            let scale = if key.signal == Signal::P99 { 0.02 } else { 1e-6 };
            by_time
                .get(at)
                .is_none_or(|found| (found - **value).abs() > scale * value.abs().max(1e-6))
        });
        let wrong: Vec<_> = wrong.map(|(at, value)| (at, value, by_time.get(at))).collect();
        assert!(wrong.len() <= 4, "{key}: {} differ, first {:?}", wrong.len(), &wrong[..5]);
    }
}

fn same_advice(own: &Assessment, pulled: &Assessment) {
    let targets = |one: &Assessment| -> Vec<String> {
        let recommendations = one.plan.recommendations.iter();
        recommendations
            .map(|one| {
                format!("{} {:?} {:?} {:?}", one.component, one.setting, one.action, one.target)
            })
            .collect()
    };
    assert_eq!(targets(own), targets(pulled));
    let planning = |one: &Assessment| one.plan.load.as_ref().map(|load| load.planning);
    let (own, pulled) = (planning(own).unwrap(), planning(pulled).unwrap());
    assert!((own - pulled).abs() <= 0.01 * own, "{own} and {pulled}");
}
